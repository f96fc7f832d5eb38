// SPDX-License-Identifier: Apache-2.0

// The virtual table: only visible rows have elements, which are reused for other rows.

import { VALUE } from "../../data/chunk.js";
import { el, setAttribute } from "../page/dom.js";
import { serveCopy } from "./copy.js";
import { Cursor } from "./cursor.js";
import { Header } from "./header.js";
import { Headings } from "./headings.js";
import { Row } from "./row.js";
import { Scroll } from "./scroll.js";
import { maxElementPx } from "./window.js";

/** @import { ColumnChoice } from "./column_choice.js" */
/** @import { EventStore } from "../../data/store.js" */
/** @import { Order } from "../../data/sort/order.js" */

const ROW_PX = 28;
const GROWN_PX = 1000; // in a wider column the eye loses the row on a 4K screen
const SPARE_ROWS = 8; // above and below, for scrolling until the next frame
const HEADING_ROWS = 2;
const FIT_SPARE_PX = 2;
const OPEN_PX = 40; // as in css/table.css
const UPWARD_KEYS = new Set(["ArrowUp", "PageUp", "Home", "k"]);

export class Table {
  #store;
  #order;
  #columns;
  #on;
  #rows = [];
  #shown = [];
  #shownVersions = "";
  #evicted = 0;
  #orderVersion = 0;
  #anchor = null; // {row, place} of the first visible row of a sorted table
  #cursor;
  #headings;
  #room = 0;
  #maxElementPx = 0;
  #pixelRatio = 0;
  #pointed = null; // the cell under the mouse
  #body = el("div", { class: "table__body", role: "rowgroup" });

  /**
   * @param {HTMLElement} element  role grid; it scrolls
   * @param {EventStore} store  @param {Order} order  @param {ColumnChoice} columns
   * @param {{change: () => void, filter: (column: object, text: string) => void,
   *   filtered: () => void, copied: (isDone: boolean) => void,
   *   sort: (column: object) => void, current: (row: number) => void,
   *   open: (row: number) => void, close: () => void}} on  `change`: a render is needed;
   *   `filter`: the text of a filter box was changed; `filtered`: and is complete; `copied`: the
   *   current row was copied; `current`: another row became current; `open`: show all of its fields
   */
  constructor(element, store, order, columns, on) {
    this.#store = store;
    this.#order = order;
    this.#columns = columns;
    this.#on = on;
    this.element = element;
    this.#headings = new Headings({
      sort: on.sort,
      resize: (column, px) => columns.resize(column, px),
      fit: (column) => this.#fit(column),
      move: (name, toName) => columns.move(name, toName),
    });
    this.header = new Header(on.filter, (shown) => this.#headings.make(shown), on.filtered);
    this.#cursor = new Cursor(order);
    element.append(this.header.element, this.#body);
    element.style.setProperty("--row-height", `${ROW_PX}px`);
    this.scroll = new Scroll(element, on.change, () => this.#roomNow);
    const resized = new ResizeObserver(() => this.#measure());
    resized.observe(element);
    resized.observe(this.header.element);
    element.addEventListener("keydown", (event) => this.#key(event));
    this.#serveBody();
  }

  /** The current row's number, null for none. */
  get current() {
    return this.#cursor.row;
  }

  /** Update the elements to show the rows in their order. */
  render() {
    const versions = `${this.#store.columns.version} ${this.#columns.version}`;
    if (this.#shownVersions !== versions) this.#showColumns(versions);
    this.#headings.showSort(this.#order.by);
    const { length, isSorted } = this.#order;
    this.scroll.canFollow = !isSorted;
    const stay = isSorted ? this.#stayWithAnchor() : this.#stayWithRows();
    this.scroll.settle(length * ROW_PX, this.#room, this.#maxElementPx, this.#body, stay);
    setAttribute(this.element, "aria-rowcount", String(length + HEADING_ROWS));
    this.#renderRows();
    this.#dropAnchor(isSorted);
  }

  /** Repaint all rows: the text of their values has changed. */
  repaint() {
    for (const row of this.#rows) row.refresh();
    this.#on.change();
  }

  /** Move the current row as a key would, scroll to it and report it. */
  move(key) {
    const page = Math.max(1, Math.floor(this.#room / ROW_PX) - 1);
    const top = Math.ceil(this.scroll.scrollWindow.offset / ROW_PX);
    const before = this.scroll.isFollowing ? this.#order.length : top - 1;
    const place = this.#cursor.move(key, page, before);
    if (place === null) return false;
    if (UPWARD_KEYS.has(key)) this.scroll.leave();
    this.#reveal(place);
    if (key === "End") this.scroll.follow();
    this.#on.current(this.#cursor.row);
    this.#on.change();
    return true;
  }

  /** Return how the offset changes: rows evicted above move the others up. */
  #stayWithRows() {
    const evicted = Math.max(0, this.#order.evicted - this.#evicted);
    this.#evicted = this.#order.evicted;
    this.#orderVersion = this.#order.version;
    return (offset) => offset - evicted * ROW_PX;
  }

  /** Return how the offset changes in a sorted table, whose rows come and go anywhere: the first
   *  visible row keeps its position, unless the table is at its top. */
  #stayWithAnchor() {
    const anchor = this.#anchor;
    if (this.#orderVersion === this.#order.version || !anchor) return (offset) => offset;
    this.#orderVersion = this.#order.version;
    const place = this.#order.placeOf(anchor.row);
    if (place === null) return (offset) => offset;
    return (offset) => (offset <= 0 ? 0 : offset + (place - anchor.place) * ROW_PX);
  }

  #dropAnchor(isSorted) {
    const place = Math.floor(this.scroll.scrollWindow.offset / ROW_PX);
    const isRow = isSorted && place < this.#order.length;
    this.#anchor = isRow ? { row: this.#order.at(place), place } : null;
  }

  #renderRows() {
    const { offset, shift } = this.scroll.scrollWindow;
    const order = this.#order;
    const first = Math.max(0, Math.floor(offset / ROW_PX) - SPARE_ROWS);
    const count = Math.ceil(this.#room / ROW_PX) + 2 * SPARE_ROWS;
    this.#makeRows(count);
    const used = new Set();
    for (let place = first; place < Math.min(first + count, order.length); place++) {
      // By its place since the view began, so that a row keeps its element when others are evicted.
      const row = this.#rows[(place + order.evicted) % this.#rows.length];
      const number = order.at(place);
      const top = Math.round(place * ROW_PX + shift);
      row.show(this.#store, number, order.gapAt(number), place, top, number === this.#cursor.row);
      used.add(row);
    }
    for (const row of this.#rows) if (!used.has(row)) row.hide();
    this.#describe(this.#pointed); // it may show another value now
    const current = this.#rows.find((row) => row.number === this.#cursor.row);
    setAttribute(this.element, "aria-activedescendant", current ? current.element.id : null);
  }

  #makeRows(count) {
    if (this.#rows.length >= count) return;
    this.#rows = Array.from({ length: count }, (_, i) => new Row(this.#shown, `row-${i}`));
    this.#body.replaceChildren(...this.#rows.map((row) => row.element));
  }

  #showColumns(versions) {
    this.#shownVersions = versions;
    const shown = this.#columns.shown();
    const isSame =
      shown.length === this.#shown.length &&
      shown.every(({ column }, i) => column === this.#shown[i].column);
    this.#showTracks(shown);
    if (isSame) {
      this.#headings.update(shown);
      return;
    }
    this.#shown = shown;
    setAttribute(this.element, "aria-colcount", String(shown.length));
    const { focused } = this.#headings;
    this.header.show(shown);
    this.#headings.focus(focused);
    this.#rows = [];
    this.#measure();
  }

  #showTracks(shown, fitted = null) {
    const tracks = shown.map(({ column, width, grows }) => {
      if (column === fitted) return "max-content";
      return grows ? `minmax(${width}px, ${GROWN_PX}px)` : `${width}px`;
    });
    this.element.style.setProperty("--tracks", tracks.join(" "));
    const least = shown.reduce((sum, { width }) => sum + width, OPEN_PX);
    this.element.style.setProperty("--least-width", `${least}px`);
  }

  /** Fit a column's width to its content in the rows that have elements. */
  #fit(column) {
    const index = this.#shown.findIndex((entry) => entry.column === column);
    this.#showTracks(this.#shown, column);
    const rows = this.element.querySelectorAll(
      ".row--titles, .table__body .row:not([hidden], .row--gap)",
    );
    const widths = [...rows].map(
      ({ children }) => /** @type {any} */ (children[index]).offsetWidth,
    );
    this.#columns.resize(column, Math.max(...widths) + FIT_SPARE_PX);
    this.#showTracks(this.#columns.shown());
  }

  /** The height of the area of the rows, below the header. */
  get #roomNow() {
    return this.element.clientHeight - this.header.element.offsetHeight;
  }

  /** Measure that height, and the maximum height of elements at this zoom. */
  #measure() {
    const room = this.#roomNow;
    this.#columns.fit(this.element.clientWidth - OPEN_PX);
    if (this.#pixelRatio !== devicePixelRatio) this.#maxElementPx = maxElementPx();
    this.#pixelRatio = devicePixelRatio;
    if (room === this.#room) return;
    this.#room = room;
    this.#on.change();
  }

  #serveBody() {
    serveCopy(this.element, this.#body, () => this.#currentText(), this.#on.copied);
    this.#body.addEventListener("mouseover", ({ target }) => {
      this.#pointed = target.closest(".cell");
      this.#describe(this.#pointed);
    });
    this.#body.addEventListener("mouseleave", () => (this.#pointed = null));
    this.#body.addEventListener("click", ({ target }) => {
      const row = this.#rowOf(target);
      if (!row) return;
      this.#cursor.row = row.number;
      if (target.closest(".row__open")) this.#on.open(row.number);
      else this.#on.current(row.number);
      this.#on.change();
    });
    this.#body.addEventListener("dblclick", ({ target }) => {
      const row = this.#rowOf(target);
      if (row) this.#on.open(row.number);
    });
  }

  /** Return the text of the current row's cells, separated by tabs; null for none, or a gap. */
  #currentText() {
    const row = this.#cursor.row;
    const isThere = row !== null && row >= this.#store.first && row < this.#store.end;
    if (!isThere || this.#store.gapAt(row)) return null;
    return this.#shown
      .map(({ column, look }) => {
        if (this.#store.stateAt(row, column.key) !== VALUE) return "";
        const parts = look.parts(this.#store.valueAt(row, column.key));
        return parts.map(({ text }) => text).join("");
      })
      .join("\t");
  }

  #rowOf(target) {
    const element = target.closest(".row");
    return this.#rows.find((row) => row.element === element);
  }

  #describe(cell) {
    const row = cell && this.#rowOf(cell);
    if (row && !cell.title) cell.title = row.describe(this.#store, cell);
  }

  #key(event) {
    if (event.target !== this.element || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && this.#cursor.row !== null) this.#on.open(this.#cursor.row);
    else if (event.key === "Escape") this.#on.close();
    else if (!this.move(event.key)) return;
    event.preventDefault();
  }

  #reveal(place) {
    const { scroll } = this;
    const { offset } = scroll.scrollWindow;
    const top = place * ROW_PX;
    if (top < offset) scroll.to(top);
    else if (top + ROW_PX > offset + this.#room) scroll.to(top + ROW_PX - this.#room);
  }
}
