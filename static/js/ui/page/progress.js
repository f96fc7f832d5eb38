// SPDX-License-Identifier: Apache-2.0

// The progress of filtering and sorting, shown when it takes long enough to notice.

import { counted } from "../../format/number.js";
import { el, setText } from "./dom.js";

const NOTICED_MS = 300;

export class Progress {
  #element = el("p", { class: "working", role: "status", hidden: true });
  #sinceMs = null;

  /** @param {HTMLElement} stage  the element around the table */
  constructor(stage) {
    stage.append(this.#element);
  }

  /**
   * @param {?string} word  "Filtering", "Sorting"; null when done
   * @param {number} events  @param {number} part  done, 0 to 1; NaN if unknown
   */
  show(word, events, part, nowMs) {
    this.#sinceMs = word === null ? null : (this.#sinceMs ?? nowMs);
    this.#element.hidden = word === null || nowMs - this.#sinceMs < NOTICED_MS;
    if (this.#element.hidden) return;
    // In steps of 25%, so that a screen reader does not announce every percent.
    const percent = Number.isNaN(part) ? "" : ` ${Math.floor(part * 4) * 25}%`;
    setText(this.#element, `${word} ${counted(events, "event")}…${percent}`);
  }
}
