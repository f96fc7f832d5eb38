// SPDX-License-Identifier: Apache-2.0

// Announcements for screen readers: a sentence now and then instead of every row of the stream.

import { counted, grouped } from "../../format/number.js";
import { setText } from "./dom.js";

export const MIN_INTERVAL_MS = 8_000;

export class Announcer {
  #element;
  #saidAt = -Infinity;
  #received = 0;
  #lost = 0;

  /** @param {HTMLElement} element  a visually hidden polite live region */
  constructor(element) {
    this.#element = element;
  }

  /**
   * Announce new and lost events; call this regularly.
   * @param {number} received  events so far  @param {number} lost  rows so far
   * @param {number} nowMs  of a monotonic clock
   */
  update(received, lost, nowMs) {
    // "Clear" resets the counts.
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

  /** Announce something at once, such as a lost connection, and do not interrupt it. */
  say(words, nowMs = performance.now()) {
    this.#saidAt = nowMs;
    setText(this.#element, words);
  }
}
