// SPDX-License-Identifier: Apache-2.0

// The filters used last, newest first, remembered by this browser.

const MAX_ENTRIES = 50;
const KEY = "probedeck.filters";

export class History {
  #storage;
  #place = -1; // while recalling: which entry is shown

  /** @param {?Storage} storage  null where the browser gives none */
  constructor(storage) {
    this.#storage = storage;
    this.entries = this.#read();
  }

  /** A filter was used. */
  add(text) {
    this.#place = -1;
    const entry = text.trim();
    if (!entry || entry === this.entries[0]) return;
    this.entries = [entry, ...this.entries.filter((it) => it !== entry)].slice(0, MAX_ENTRIES);
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.entries));
    } catch {
      // Full, or forbidden: the history then lasts as long as the page.
    }
  }

  get isRecalling() {
    return this.#place >= 0;
  }

  /** @param {1|-1} step  1 to an older filter  @returns {?string} null: there is none */
  recall(step) {
    const place = this.#place + step;
    if (place >= this.entries.length) return null;
    this.#place = Math.max(-1, place);
    return place < 0 ? "" : this.entries[place];
  }

  /** What stands in the bar is being changed. */
  leave() {
    this.#place = -1;
  }

  /** What another version or a person left there may be anything. */
  #read() {
    try {
      const stored = JSON.parse(this.#storage?.getItem(KEY) ?? "[]");
      if (!Array.isArray(stored)) return [];
      return stored
        .filter((it) => typeof it === "string" && it.trim() !== "")
        .slice(0, MAX_ENTRIES);
    } catch {
      return [];
    }
  }
}
