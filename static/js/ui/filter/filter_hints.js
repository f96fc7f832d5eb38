// SPDX-License-Identifier: Apache-2.0

// The hints below the bar: how a filter was interpreted, and alternatives to click.

import { visibleText } from "../../format/text.js";
import { el } from "../page/dom.js";

export class FilterHints {
  #onTake;
  #shown = "";

  /** @param {(text: string) => void} onTake  an alternative filter was clicked */
  constructor(onTake) {
    this.#onTake = onTake;
    this.element = el("div", { class: "filterhints", role: "status", hidden: true });
  }

  /** @param {{message: string, fixes: string[]}[]} hints  `fixes` are whole filters */
  show(hints) {
    const shown = JSON.stringify(hints);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.element.hidden = hints.length === 0;
    this.element.replaceChildren(...hints.map((hint) => this.#hint(hint)));
  }

  #hint({ message, fixes }) {
    const first = message ? ". Did you mean " : "Did you mean ";
    const buttons = fixes.flatMap((fix, i) => [i === 0 ? first : " or ", this.#fix(fix)]);
    return el("p", { class: "filterhint" }, visibleText(message), ...buttons);
  }

  #fix(text) {
    const button = el(
      "button",
      { type: "button", class: "filterhint__fix", title: "Use this filter instead" },
      visibleText(text),
    );
    button.addEventListener("click", () => this.#onTake(text));
    return button;
  }
}
