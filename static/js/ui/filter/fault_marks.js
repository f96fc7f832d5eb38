// SPDX-License-Identifier: Apache-2.0

// Underlines what is wrong in a text field: the same text once more over the field, invisible but
// for the lines under it.

import { el } from "../page/dom.js";

// After each of these the browser may have scrolled the field's text.
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
      if (fault.start < end) continue; // within the one before
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
