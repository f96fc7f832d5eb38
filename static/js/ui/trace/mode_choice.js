// SPDX-License-Identifier: Apache-2.0

// The choice of a mode: the best by default; modes that do not work are disabled, with the reason.

import { sentence, visibleText } from "../../format/text.js";
import { el } from "../page/dom.js";

export class ModeChoice {
  #reasons = el("ul", { class: "modes__reasons" });
  #shown = "";

  constructor(id) {
    this.control = el("select", { id });
    this.element = this.#reasons;
  }

  /** @param {{mode: string, isAvailable: boolean, reason: string}[]} modes  of `modesOf` */
  show(modes) {
    const text = JSON.stringify(modes);
    if (text === this.#shown) return;
    this.#shown = text;
    const before = this.control.value;
    this.control.replaceChildren(
      el("option", { value: "" }, "Best available"),
      ...modes.map(({ mode, isAvailable }) =>
        el(
          "option",
          { value: mode, disabled: !isAvailable },
          isAvailable ? mode : `${mode} (not available)`,
        ),
      ),
    );
    this.control.value = modes.some(({ mode, isAvailable }) => mode === before && isAvailable)
      ? before
      : "";
    const refused = modes.filter(({ isAvailable }) => !isAvailable);
    this.#reasons.replaceChildren(
      ...refused.map(({ mode, reason }) =>
        el("li", {}, el("code", {}, mode), ` ${reasonWords(reason)}`),
      ),
    );
    this.#reasons.hidden = refused.length === 0;
  }
}

function reasonWords(reason) {
  return reason ? sentence(visibleText(reason)) : "is not available.";
}
