// SPDX-License-Identifier: Apache-2.0

// Messages that are not errors: who changed something for everyone, what a check found, what can
// be undone.

import { visibleText } from "../../format/text.js";
import { el } from "./dom.js";

const MAX_SHOWN = 3;

export class News {
  #element;

  /** @param {HTMLElement} element  role status */
  constructor(element) {
    this.#element = element;
  }

  /**
   * @param {string} words  @param {{label: string, act: () => void}} button  also closes it
   * @param {string} topic  a message replaces the previous one of its topic
   * @returns {() => void} removes the message
   */
  add(words, button = null, topic = words) {
    for (const item of [...this.#element.children]) if (item.dataset.topic === topic) item.remove();
    const close = el(
      "button",
      { type: "button", class: "notice__close", "aria-label": "Dismiss the message" },
      "×",
    );
    const item = el("div", { class: "notice news" }, el("p", {}, visibleText(words)));
    item.dataset.topic = topic;
    const remove = () => item.remove();
    if (button) {
      const act = el("button", { type: "button", class: "button button--small" }, button.label);
      act.addEventListener("click", () => {
        remove();
        button.act();
      });
      item.append(act);
    }
    item.append(close);
    close.addEventListener("click", remove);
    this.#element.append(item);
    while (this.#element.childElementCount > MAX_SHOWN) this.#element.firstChild.remove();
    return remove;
  }
}
