// SPDX-License-Identifier: Apache-2.0

// The user's sort order, kept in the address: `sort=latency_ns`, or `sort=-latency_ns` for
// descending.

/** @import { Address } from "../page/address.js" */
/** @import { Order } from "../../data/sort/order.js" */

const PARAMETER = "sort";

export class SortChoice {
  #order;
  #address;
  #wanted = null; // {name, isDescending}; its column may not be known yet

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

  /** Cycle a column through ascending, descending and arrival order. */
  cycle(column) {
    const { by } = this.#order;
    const isIt = by?.column.key === column.key;
    if (!isIt) this.#sort(column, false);
    else if (!by.isDescending) this.#sort(column, true);
    else this.clear();
  }

  /** Return to arrival order. */
  clear() {
    this.#wanted = null;
    this.#address.set(PARAMETER, null);
    this.#order.sort(null);
  }

  /**
   * Drop the column of the address if no probe has it; call this once the columns are known.
   * @param {any[]} known
   * @returns {string[]} its name
   */
  dropUnknown(known) {
    const name = this.#wanted?.name;
    if (name === undefined || known.some((column) => column.name === name)) return [];
    this.clear();
    return [name];
  }

  /** Apply the wanted order, if its column is known and it is not applied yet. */
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
