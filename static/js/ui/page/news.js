// SPDX-License-Identifier: Apache-2.0

// What happened that is no failure: who changed something for everyone, what a check found, what
// can be taken back.

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
   * @param {string} words  @param {{label: string, act: () => void}} button  closes it, too
   * @param {string} topic  the newest of a topic takes the place of an older one
   * @returns {() => void} what takes it away
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
