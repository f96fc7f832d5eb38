// SPDX-License-Identifier: Apache-2.0

// Underlines errors in a text field, by an overlay with the same text, invisible except for the
// underlines.

import { el } from "../page/dom.js";

// The browser may scroll the field's text after each of these events.
const MOVES = ["scroll", "keyup", "focus", "blur", "pointerup", "input"];

export class FaultMarks {
  #input;

  /** @param {HTMLInputElement} input */
  constructor(input) {
    this.#input = input;
    this.element = el("div", { class: "filterbar__mirror", "aria-hidden": "true" });
    for (const name of MOVES) {
      input.addEventListener(name, () => requestAnimationFrame(() => this.#align()));
    }
  }

  /** @param {string} text  of the field  @param {{start: number, end: number}[]} faults */
  show(text, faults) {
    const parts = [];
    let end = 0;
    for (const fault of [...faults].sort((a, b) => a.start - b.start)) {
      if (fault.start < end) continue; // overlaps the previous one
      const wrong = text.slice(fault.start, fault.end);
      parts.push(text.slice(end, fault.start), el("span", { class: "filterbar__wrong" }, wrong));
      end = fault.end;
    }
    this.element.replaceChildren(...parts, parts.length > 0 ? text.slice(end) : "");
    this.#align();
  }

  #align() {
    this.element.scrollLeft = this.#input.scrollLeft;
  }
}
