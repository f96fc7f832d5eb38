// SPDX-License-Identifier: Apache-2.0

// The current row of the table, moved by keys. It is a row number, which stays valid while other
// rows are evicted.

/** @import { Order } from "../../data/sort/order.js" */

const ROWS_BY_KEY = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 };
const PAGES_BY_KEY = { PageDown: 1, PageUp: -1 };

export class Cursor {
  #order;

  /** @param {Order} order */
  constructor(order) {
    this.#order = order;
    /** The current row's number, null for none. */
    this.row = null;
  }

  /**
   * @param {string} key  @param {number} page  rows of a page
   * @param {number} before  the place to start from if there is no current row
   * @returns {?number} the new place, null if the key does not move the row
   */
  move(key, page, before) {
    const last = this.#order.length - 1;
    if (last < 0) return null;
    let place;
    if (key === "Home") place = 0;
    else if (key === "End") place = last;
    else if (key in ROWS_BY_KEY) place = (this.#place() ?? before) + ROWS_BY_KEY[key];
    else if (key in PAGES_BY_KEY) place = (this.#place() ?? before) + PAGES_BY_KEY[key] * page;
    else return null;
    place = Math.min(last, Math.max(0, place));
    this.row = this.#order.at(place);
    return place;
  }

  #place() {
    return this.row === null ? null : this.#order.placeOf(this.row);
  }
}
