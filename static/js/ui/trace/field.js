// SPDX-License-Identifier: Apache-2.0

// A field of a form that is made by a script: label, control, note, fault and what to use instead.

import { sentence, visibleText } from "../../format/text.js";
import { el, setAttribute, setText } from "../page/dom.js";

export class Field {
  #fault;
  #fixes = el("p", { class: "field__fixes" });

  /**
   * @param {any} control  an element with an id
   * @param {string} label  @param {string} note  "" for none
   * @param {...Node} more  elements after the control
   */
  constructor(control, label, note = "", ...more) {
    this.control = control;
    this.#fault = el("p", { class: "field__fault", id: `${control.id}-fault` });
    const noteElement = el("p", { class: "field__note", id: `${control.id}-note` }, note);
    noteElement.hidden = !note;
    control.setAttribute("aria-describedby", `${this.#fault.id} ${noteElement.id}`);
    this.element = el(
      "div",
      { class: "field" },
      el("label", { htmlFor: control.id }, label),
      control,
      ...more,
      this.#fault,
      this.#fixes,
      noteElement,
    );
    this.show("");
  }

  /**
   * @param {string} message  "" for none
   * @param {{words: string, act: () => void}[]} fixes  as buttons below the message
   */
  show(message, fixes = []) {
    setText(this.#fault, message ? sentence(message) : "");
    setAttribute(this.control, "aria-invalid", message ? "true" : null);
    this.#fixes.replaceChildren(
      ...fixes.map(({ words, act }) => {
        const button = el(
          "button",
          { type: "button", class: "button button--small", "aria-label": `Use ${words}` },
          visibleText(words),
        );
        button.addEventListener("click", act);
        return button;
      }),
    );
    this.#fixes.hidden = fixes.length === 0;
  }
}
