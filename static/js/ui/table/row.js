// SPDX-License-Identifier: Apache-2.0

// One row element of the table, reused for different rows.

import { MISSING, NULL } from "../../data/chunk.js";
import { PLACE_WORDS } from "../../data/losses.js";
import { counted } from "../../format/number.js";
import { visibleText } from "../../format/text.js";
import { moment } from "../../format/time.js";
import { el, setText } from "../page/dom.js";
import { Cell } from "./cell.js";

/** @import { EventStore } from "../../data/store.js" */

/** The number of an element that shows no row; rows of the store are numbered from 0. */
const NONE = -1;

export class Row {
  #cells;
  #gap = el("div", { class: "cell cell--gap", role: "gridcell" });
  #open = el("button", {
    type: "button",
    class: "row__open",
    tabIndex: -1,
    "aria-label": "Show all fields",
  });
  #top = NONE;
  #isStale = false;

  /** @param {{column: any, look: Look}[]} shown  the table's columns, in order */
  constructor(shown, id) {
    this.shown = shown;
    this.number = NONE;
    this.#cells = shown.map(({ look }) => new Cell(look));
    this.#gap.setAttribute("aria-colspan", String(shown.length));
    this.element = el("div", { class: "row", role: "row", id });
    this.element.append(
      ...this.#cells.map((cell) => cell.element),
      this.#gap,
      el("div", { class: "cell cell--open", role: "gridcell" }, this.#open),
    );
  }

  /**
   * Show a row of the store.
   *
   * @param {EventStore} store  @param {number} number  @param {?Gap} gap  `gapAt`
   * @param {number} place  in the table  @param {number} top  in px  @param {boolean} isCurrent
   */
  show(store, number, gap, place, top, isCurrent) {
    const { element } = this;
    if (top !== this.#top) {
      this.#top = top;
      element.style.transform = `translateY(${top}px)`;
    }
    element.hidden = false;
    element.setAttribute("aria-rowindex", String(place + 3)); // after the title row and the filter row
    element.classList.toggle("row--current", isCurrent);
    element.classList.toggle("row--odd", number % 2 === 1);
    element.classList.toggle("row--gap", gap !== null);
    if (gap) {
      this.number = number;
      setText(this.#gap, gapText(gap)); // its count grows while no event follows
    } else if (number !== this.number || this.#isStale) {
      this.number = number;
      this.#isStale = false;
      this.#paint(store, number);
    }
  }

  hide() {
    this.element.hidden = true;
    this.number = NONE;
  }

  /** Repaint the row at the next `show`, since the text of its values has changed. Until then the
   *  pointer is still over the same row. */
  refresh() {
    this.#isStale = true;
  }

  /** Return a cell's full value as one line, for its title. */
  describe(store, element) {
    const index = this.#cells.findIndex((cell) => cell.element === element);
    if (index < 0 || this.number < store.first) return "";
    const { column, look } = this.shown[index];
    const state = store.stateAt(this.number, column.key);
    if (state === MISSING) return "This probe has no such column";
    if (state === NULL) return "No value";
    return look.hover(store.valueAt(this.number, column.key));
  }

  #paint(store, number) {
    const isHeld = number >= store.first; // a sorted table may have rows that were just evicted
    for (let i = 0; i < this.#cells.length; i++) {
      const { column, look } = this.shown[i];
      const state = isHeld ? store.stateAt(number, column.key) : MISSING;
      if (state === MISSING) this.#cells[i].show(NOTHING);
      else if (state === NULL) this.#cells[i].show(NO_VALUE);
      else this.#cells[i].show(look.parts(store.valueAt(number, column.key)));
    }
  }
}

const NOTHING = [];
const NO_VALUE = [{ text: "∅", className: "faint" }];

/** @param {Gap} gap */
function gapText({ probe, where, rows, from, to }) {
  if (where === "unwatched") return unwatchedText(visibleText(probe), from, to);
  const what = rows === null ? "Events" : counted(rows, "event");
  const verb = rows === 1 ? "is" : "are";
  return `${what} of ${visibleText(probe)} ${verb} missing here: lost ${PLACE_WORDS[where] ?? visibleText(where)}`;
}

function unwatchedText(probe, from, to) {
  const begin = from ? ` from ${moment(from)}` : "";
  if (to)
    return `${probe}: not watching${begin} to ${moment(to)}. Calls in this period were not recorded`;
  return `${probe}: not watching${begin} onwards. Calls are not being recorded`;
}
