// SPDX-License-Identifier: Apache-2.0

// What a screen reader says of a table that streams: now and then a sentence, not each row.

import { counted, grouped } from "../../format/number.js";
import { setText } from "./dom.js";

export const MIN_INTERVAL_MS = 8_000;

export class Announcer {
  #element;
  #saidAt = -Infinity;
  #received = 0;
  #lost = 0;

  /** @param {HTMLElement} element  a polite live region that nobody sees */
  constructor(element) {
    this.#element = element;
  }

  /**
   * To be called every now and then.
   * @param {number} received  events so far  @param {number} lost  rows so far
   * @param {number} nowMs  any clock that does not go back
   */
  update(received, lost, nowMs) {
    // After "Clear" counting starts again.
    this.#received = Math.min(this.#received, received);
    this.#lost = Math.min(this.#lost, lost);
    if (received === this.#received && lost === this.#lost) return;
    if (nowMs - this.#saidAt < MIN_INTERVAL_MS) return;
    const words = [];
    if (received > this.#received) words.push(counted(received - this.#received, "new event"));
    if (lost > this.#lost) words.push(`${grouped(lost - this.#lost)} lost`);
    this.#received = received;
    this.#lost = lost;
    this.say(words.join(", "), nowMs);
  }

  /** Something that is to be heard at once, such as a lost connection, and not cut short. */
  say(words, nowMs = performance.now()) {
    this.#saidAt = nowMs;
    setText(this.#element, words);
  }
}
