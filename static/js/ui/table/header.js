// SPDX-License-Identifier: Apache-2.0

// The table's two header rows, titles and filter boxes, and the line with the error of a box.

import { el, setAttribute, setText } from "../page/dom.js";

const EXAMPLES = {
  text: "contains",
  timestamp_ns: "10:15..10:20",
};
const NUMBER_EXAMPLE = "= < > a..b";
const SHORT_NUMBER_EXAMPLE = "= < >";
const SHORT_PX = 100;

export class Header {
  #onFilter;
  #onDone;
  #makeTitles;
  #typed = new Map();
  #inputs = new Map();
  #titles = el("div", { class: "row row--titles", role: "row", "aria-rowindex": "1" });
  #boxes = el("div", { class: "row row--boxes", role: "row", "aria-rowindex": "2" });
  #fault = el("p", { class: "fault", id: "filter-fault", role: "status", hidden: true });

  /**
   * @param {(column: object, text: string) => void} onFilter  the text of a box was changed
   * @param {(shown: object[]) => HTMLElement[]} makeTitles  a title cell for each column
   * @param {() => void} onDone  typing in a box is complete
   */
  constructor(onFilter, makeTitles, onDone) {
    this.#onFilter = onFilter;
    this.#onDone = onDone;
    this.#makeTitles = makeTitles;
    this.element = el(
      "div",
      { class: "table__head", role: "rowgroup", hidden: true },
      this.#titles,
      this.#boxes,
    );
    this.fault = this.#fault;
  }

  /** Show these columns; boxes keep their text and the focus. */
  show(shown) {
    const focused = [...this.#inputs].find(([, input]) => input === document.activeElement)?.[0];
    this.#inputs.clear();
    this.element.hidden = shown.length === 0; // a row must have cells
    this.#titles.replaceChildren(...this.#makeTitles(shown));
    this.#boxes.replaceChildren(...shown.map((entry) => this.#box(entry)));
    this.#inputs.get(focused)?.focus();
  }

  /** Show the filter's tests in the boxes, including those of hidden columns. */
  showTyped(columns, textOf) {
    for (const column of columns) {
      const text = textOf(column);
      const input = this.#inputs.get(column.key);
      this.#typed.set(column.key, text);
      if (input && input.value !== text) input.value = text;
    }
  }

  /** Mark the boxes with an invalid test, and show the error of the first. */
  showErrors(errors, columns) {
    for (const [key, input] of this.#inputs) {
      setAttribute(input, "aria-invalid", errors.has(key) ? "true" : null);
      setAttribute(input, "aria-describedby", errors.has(key) ? this.#fault.id : null);
    }
    const [first] = errors;
    this.#fault.hidden = !first;
    if (!first) return;
    const title = columns.find((column) => column.key === first[0])?.title ?? first[0];
    setText(this.#fault, `The ${title} filter is not applied: ${first[1]}.`);
  }

  #box({ column, look }) {
    const input = el("input", {
      type: "text",
      class: "box",
      "aria-label": `Filter ${column.title}`,
      placeholder: EXAMPLES[column.type] ?? numberExample(look),
      value: this.#typed.get(column.key) ?? "",
      autocomplete: "off",
      spellcheck: false,
    });
    input.addEventListener("input", () => this.#onFilter(column, input.value));
    input.addEventListener("keydown", (event) => {
      const isDone = event.key === "Enter" || event.key === "Escape";
      if (!isDone || event.isComposing) return;
      event.preventDefault();
      event.stopPropagation();
      input.closest("[role=grid]").focus();
    });
    input.addEventListener("change", () => this.#onDone());
    this.#inputs.set(column.key, input);
    return el("div", { class: "cell cell--box", role: "gridcell" }, input);
  }
}

function numberExample({ width }) {
  return width < SHORT_PX ? SHORT_NUMBER_EXAMPLE : NUMBER_EXAMPLE;
}
