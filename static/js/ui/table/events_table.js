// SPDX-License-Identifier: Apache-2.0

// The table with what belongs to it: columns, order, toolbar, progress. Filtering and sorting
// happen in slices, so that each frame has time for drawing.

import { Order } from "../../data/sort/order.js";
import { byId } from "../page/dom.js";
import { Progress } from "../page/progress.js";
import { Toolbar } from "../page/toolbar.js";
import { ColumnChoice } from "./column_choice.js";
import { SortChoice } from "./sort_choice.js";
import { Table } from "./table.js";

/** @import { EventStore } from "../../data/store.js" */
/** @import { View } from "../../data/view.js" */
/** @import { Address } from "../page/address.js" */
/** @import { RenderLoop } from "../page/render_loop.js" */

/** The part of a frame for filtering and sorting; the rest is for drawing. */
const WORK_MS = 9;
/** For this long a new filter freezes the table, which would else show rows flying past. */
const FREEZE_MS = 400;

export class EventsTable {
  #store;
  #view;
  #order;
  #columns;
  #sort;
  #table;
  #toolbar;
  #renderLoop;
  #progress = new Progress(byId("grid").parentElement);
  #unsettledSinceMs = null;

  /**
   * @param {{store: EventStore, view: View, address: Address, renderLoop: RenderLoop}} parts
   * @param {{filter: (column: object, text: string) => void, copied: () => void,
   *   current: (row: number) => void, open: (row: number) => void, close: () => void,
   *   clear: () => void}} on  `clear`: the user wants an empty table; the others as in `Table`
   */
  constructor({ store, view, address, renderLoop }, on) {
    const change = () => renderLoop.soon();
    this.#store = store;
    this.#view = view;
    this.#renderLoop = renderLoop;
    this.#order = new Order(store, view);
    this.#columns = new ColumnChoice(store.columns, address, change);
    this.#sort = new SortChoice(this.#order, address);
    this.#table = new Table(byId("grid"), store, this.#order, this.#columns, {
      change,
      filter: on.filter,
      filtered: () => address.done(),
      copied: on.copied,
      sort: (column) => {
        this.#sort.cycle(column);
        change();
      },
      current: on.current,
      open: on.open,
      close: on.close,
    });
    this.#toolbar = new Toolbar({ change, follow: () => this.#follow(), clear: on.clear });
    byId("grid").before(this.header.fault);
    /** Whether every row has been tested by the active filter. */
    this.isTested = false;
  }

  get header() {
    return this.#table.header;
  }

  /** Move the current row as a key would. */
  move(key) {
    return this.#table.move(key);
  }

  /** Make all rows again: the text of their values has changed. */
  repaint() {
    this.#table.repaint();
  }

  /** The store was cleared, or its rows were restored. */
  reset() {
    this.#view.reset();
    this.#toolbar.cleared(this.#store.end);
    this.#table.scroll.follow();
    this.#renderLoop.soon();
  }

  /** The user went to another address. */
  followAddress() {
    this.#columns.followAddress();
    this.#sort.readAddress();
  }

  /**
   * Forget the columns that the address names and no probe has.
   * @param {{name: string}[]} known  columns
   * @returns {{columns: string[], sort: string[]}} their names
   */
  dropUnknown(known) {
    return { columns: this.#columns.dropUnknown(), sort: this.#sort.dropUnknown(known) };
  }

  /**
   * Filter and sort pending rows, for a part of the frame.
   * @returns {boolean} whether the table should stay as it is for now
   */
  catchUp() {
    this.#sort.apply(this.#store.columns.all);
    const nowMs = performance.now();
    const isTimeUp = () => performance.now() - nowMs > WORK_MS;
    const end = this.#toolbar.endOfView(this.#store.end);
    const isFiltered = this.#view.advance(end, isTimeUp);
    this.isTested = isFiltered;
    const waitMs = isFiltered ? this.#order.work(nowMs, isTimeUp) : 0;
    if (waitMs === 0) this.#renderLoop.soon();
    else if (waitMs !== null) this.#renderLoop.later(waitMs);
    const { isReady, isSorted } = this.#order;
    if (!isFiltered)
      this.#progress.show("Filtering", this.#store.length, this.#view.progress(end), nowMs);
    else this.#progress.show(isReady ? null : "Sorting", this.#view.length, NaN, nowMs);
    const isSettled = isFiltered && (isReady || !isSorted);
    this.#unsettledSinceMs = isSettled ? null : (this.#unsettledSinceMs ?? nowMs);
    return !isSettled && (isSorted || nowMs - this.#unsettledSinceMs < FREEZE_MS);
  }

  render() {
    this.#table.render();
    const { isFollowing } = this.#table.scroll;
    this.#toolbar.show(this.#store, this.#view, isFollowing, this.#order.by);
  }

  /** Go to the newest row, which is at the end in arrival order only. */
  #follow() {
    this.#sort.clear();
    this.#table.scroll.follow();
  }
}
