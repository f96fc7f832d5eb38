// SPDX-License-Identifier: Apache-2.0

// One cell of a row element. It updates only what differs: consecutive events share most of their
// text, and laying out text is the main cost of a streaming table.

import { el } from "../page/dom.js";

export class Cell {
  #spans = []; // {element, text, className}
  #plain = ""; // the text, if the cell is one part without a class

  /** @param {Look} look  of `presentation` */
  constructor(look) {
    const names = ["cell", look.align === "end" ? "cell--end" : "", look.className ?? ""];
    this.element = el("div", { class: names.join(" ").trim(), role: "gridcell" });
  }

  /** @param {{text: string, className: string}[]} parts  empty for an empty cell */
  show(parts) {
    if (this.element.title) this.element.removeAttribute("title");
    if (parts.length === 0) this.#showPlain("");
    else if (parts.length === 1 && parts[0].className === "") this.#showPlain(parts[0].text);
    else this.#showSpans(parts);
  }

  #showPlain(text) {
    if (this.#spans.length === 0 && this.#plain === text) return;
    this.#spans.length = 0;
    this.#plain = text;
    this.element.textContent = text;
  }

  #showSpans(parts) {
    if (this.#spans.length === 0) this.element.textContent = "";
    while (this.#spans.length > parts.length) this.#spans.pop().element.remove();
    for (let i = 0; i < parts.length; i++) {
      const { text, className } = parts[i];
      this.#spans[i] ??= this.#add();
      const span = this.#spans[i];
      if (span.text !== text) {
        span.text = text;
        span.element.textContent = text;
      }
      if (span.className !== className) {
        span.className = className;
        span.element.className = className;
      }
    }
  }

  #add() {
    const element = document.createElement("span");
    this.element.append(element);
    return { element, text: "", className: "" };
  }
}
