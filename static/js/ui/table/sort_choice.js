// SPDX-License-Identifier: Apache-2.0

// What the person sorts by, remembered in the address: `sort=latency_ns`, `sort=-latency_ns`
// with the largest first.

/** @import { Address } from "../page/address.js" */
/** @import { Order } from "../../data/sort/order.js" */

const PARAMETER = "sort";

export class SortChoice {
  #order;
  #address;
  #wanted = null; // {name, isDescending}; its column may come later

  /** @param {Order} order  @param {Address} address */
  constructor(order, address) {
    this.#order = order;
    this.#address = address;
    this.readAddress();
  }

  readAddress() {
    const [, sign, name] = /^(-?)(.+)$/s.exec(this.#address.get(PARAMETER) ?? "") ?? [];
    this.#wanted = name ? { name, isDescending: sign === "-" } : null;
  }

  /** Rising, falling, then again the order of coming. */
  cycle(column) {
    const { by } = this.#order;
    const isIt = by?.column.key === column.key;
    if (!isIt) this.#sort(column, false);
    else if (!by.isDescending) this.#sort(column, true);
    else this.clear();
  }

  /** Back to the order of coming. */
  clear() {
    this.#wanted = null;
    this.#address.set(PARAMETER, null);
    this.#order.sort(null);
  }

  /**
   * Once it is known which columns there are.
   * @param {any[]} known
   * @returns {string[]} the name that the address asks for, where no probe has that column
   */
  dropUnknown(known) {
    const name = this.#wanted?.name;
    if (name === undefined || known.some((column) => column.name === name)) return [];
    this.clear();
    return [name];
  }

  /** Sort by what is wanted, when its column is there and it is not done yet. */
  apply(columns) {
    const { by } = this.#order;
    if (!this.#wanted) {
      if (by) this.#order.sort(null);
      return;
    }
    const { name, isDescending } = this.#wanted;
    if (by?.column.name === name && by.isDescending === isDescending) return;
    const column = columns.find((it) => it.name === name);
    if (column) this.#order.sort(column, isDescending);
  }

  #sort(column, isDescending) {
    this.#wanted = { name: column.name, isDescending };
    this.#address.set(PARAMETER, `${isDescending ? "-" : ""}${column.name}`);
    this.#order.sort(column, isDescending);
  }
}
