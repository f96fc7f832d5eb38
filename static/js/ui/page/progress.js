// SPDX-License-Identifier: Apache-2.0

// What the page is still at work on, when that takes long enough to be noticed.

import { counted } from "../../format/number.js";
import { el, setText } from "./dom.js";

const NOTICED_MS = 300;

export class Progress {
  #element = el("p", { class: "working", role: "status", hidden: true });
  #sinceMs = null;

  /** @param {HTMLElement} stage  what the table stands in */
  constructor(stage) {
    stage.append(this.#element);
  }

  /**
   * @param {?string} word  "Filtering", "Sorting"; null when all is done
   * @param {number} events  @param {number} part  done, 0 to 1; NaN when nobody knows
   */
  show(word, events, part, nowMs) {
    this.#sinceMs = word === null ? null : (this.#sinceMs ?? nowMs);
    this.#element.hidden = word === null || nowMs - this.#sinceMs < NOTICED_MS;
    if (this.#element.hidden) return;
    // In steps, so that a screen reader is not told of each hundredth.
    const percent = Number.isNaN(part) ? "" : ` ${Math.floor(part * 4) * 25}%`;
    setText(this.#element, `${word} ${counted(events, "event")}…${percent}`);
  }
}
