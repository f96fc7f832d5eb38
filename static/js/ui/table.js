// The table: only the rows that can be seen are elements, each used again for other rows.

import { presentation, shownColumns } from "../format/presentation.js";
import { serveCopy } from "./copy.js";
import { Cursor } from "./cursor.js";
import { el, NARROW, setAttribute } from "./dom.js";
import { Header } from "./header.js";
import { Row } from "./row.js";
import { Scroll } from "./scroll.js";

const ROW_PX = 28;
const GROWN_PX = 1000; // wider, and the eye loses the row on a 4K screen
const SPARE_ROWS = 8; // above and below, for the time until the next frame
const HEADING_ROWS = 2;

export class Table {
  #store;
  #view;
  #rows = [];
  #shown = [];
  #shownVersion = -1;
  #gone = 0;
  #cursor;
  #narrow = matchMedia(NARROW);
  #body = el("div", { class: "table__body", role: "rowgroup" });

  /**
   * @param {HTMLElement} element  role grid, what scrolls
   * @param {EventStore} store  @param {View} view
   * @param {{change: () => void, filter: (column: object, text: string) => void}} on  `change`: a
   *   render is needed; `filter`: what stands in a filter box was changed
   */
  constructor(element, store, view, on) {
    this.#store = store;
    this.#view = view;
    this.element = element;
    this.header = new Header(on.filter);
    this.#cursor = new Cursor(view);
    element.append(this.header.element, this.#body);
    element.style.setProperty("--row-height", `${ROW_PX}px`);
    this.scroll = new Scroll(element, on.change);
    new ResizeObserver(on.change).observe(element);
    this.#narrow.addEventListener("change", () => {
      this.#shownVersion = -1;
      on.change();
    });
    element.addEventListener("keydown", (event) => this.#key(event) && on.change());
    serveCopy(this.#body);
    this.#body.addEventListener("mouseover", ({ target }) => this.#describe(target));
    this.#body.addEventListener("click", ({ target }) => {
      const row = this.#rowOf(target);
      if (row) this.#cursor.row = row.number;
      on.change();
    });
  }

  /** Bring the elements in line with the view. */
  render() {
    if (this.#shownVersion !== this.#store.columns.version) this.#showColumns();
    const { length } = this.#view;
    const gone = Math.max(0, this.#view.gone - this.#gone);
    this.#gone = this.#view.gone;
    this.#body.style.height = `${length * ROW_PX}px`;
    this.scroll.settle(gone * ROW_PX);
    setAttribute(this.element, "aria-rowcount", String(length + HEADING_ROWS));
    this.#renderRows();
  }

  #renderRows() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / ROW_PX) - SPARE_ROWS);
    const count = Math.ceil(clientHeight / ROW_PX) + 2 * SPARE_ROWS;
    this.#makeRows(count);
    const used = new Set();
    for (let place = first; place < Math.min(first + count, this.#view.length); place++) {
      // By its place since the view began, so that a row keeps its element while others go.
      const row = this.#rows[(place + this.#view.gone) % this.#rows.length];
      const number = this.#view.at(place);
      row.show(this.#store, this.#view, place, place * ROW_PX, number === this.#cursor.row);
      used.add(row);
    }
    for (const row of this.#rows) if (!used.has(row)) row.hide();
    const current = this.#rows.find((row) => row.number === this.#cursor.row);
    setAttribute(this.element, "aria-activedescendant", current ? current.element.id : null);
  }

  #makeRows(count) {
    if (this.#rows.length >= count) return;
    this.#rows = Array.from({ length: count }, (_, i) => new Row(this.#shown, `row-${i}`));
    this.#body.replaceChildren(...this.#rows.map((row) => row.element));
  }

  #showColumns() {
    const { columns } = this.#store;
    this.#shownVersion = columns.version;
    this.#shown = shownColumns(columns.all, this.#narrow.matches).map((column) => ({
      column,
      look: presentation(column),
    }));
    const widths = this.#shown.map(({ look }) => this.#width(look));
    const tracks = this.#shown.map(({ look }, i) =>
      look.grows ? `minmax(${widths[i]}px, ${GROWN_PX}px)` : `${widths[i]}px`,
    );
    this.element.style.setProperty("--tracks", tracks.join(" "));
    this.element.style.setProperty("--least-width", `${widths.reduce((a, b) => a + b, 0)}px`);
    setAttribute(this.element, "aria-colcount", String(this.#shown.length));
    this.header.show(this.#shown);
    this.#rows = [];
  }

  #width({ width, narrowWidth }) {
    return this.#narrow.matches && narrowWidth ? narrowWidth : width;
  }

  #rowOf(target) {
    const element = target.closest(".row");
    return this.#rows.find((row) => row.element === element);
  }

  #describe(target) {
    const cell = target.closest(".cell");
    const row = cell && this.#rowOf(cell);
    if (row && !cell.title) cell.title = row.describe(this.#store, cell);
  }

  /** Move the current row; true when the key was one for it. */
  #key(event) {
    if (event.target !== this.element) return false;
    const { element, scroll } = this;
    const page = Math.max(1, Math.floor(this.#room() / ROW_PX) - 1);
    const top = Math.ceil(element.scrollTop / ROW_PX);
    const place = this.#cursor.move(event.key, page, scroll.isFollowing ? this.#view.length : top - 1);
    if (place === null) return false;
    event.preventDefault();
    this.#reveal(place);
    if (event.key === "End") scroll.follow();
    return true;
  }

  /** The height that rows have, below the heading. */
  #room() {
    return this.element.clientHeight - this.header.element.offsetHeight;
  }

  #reveal(place) {
    const { element } = this;
    const top = place * ROW_PX;
    const room = this.#room();
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + ROW_PX > element.scrollTop + room) element.scrollTop = top + ROW_PX - room;
  }
}
