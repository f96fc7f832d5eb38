// SPDX-License-Identifier: Apache-2.0

// Error messages, shown until the user closes them or tries again.

import { sentence } from "../../format/text.js";
import { el } from "./dom.js";

/** @import { CallError } from "../../net/problem.js" */

const MAX_SHOWN = 4;

export class Notices {
  #element;

  constructor(element) {
    this.#element = element;
  }

  /** @param {string} what  failed  @param {Error & {notes?: string[]}} error  the cause */
  add(what, error) {
    const words = [error.message, ...(error.notes ?? [])].map(sentence).join(" ");
    const text = `${what}: ${words}`;
    if ([...this.#element.children].some((notice) => notice.dataset.text === text)) return;
    const close = el(
      "button",
      { type: "button", class: "notice__close", "aria-label": "Dismiss" },
      "×",
    );
    const notice = el(
      "div",
      { class: "notice" },
      el("p", {}, el("strong", {}, what), `: ${words}`),
      close,
    );
    notice.dataset.text = text;
    close.addEventListener("click", () => notice.remove());
    this.#element.append(notice);
    while (this.#element.childElementCount > MAX_SHOWN) this.#element.firstChild.remove();
  }

  clear() {
    this.#element.replaceChildren();
  }
}
