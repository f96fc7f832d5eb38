// SPDX-License-Identifier: Apache-2.0

// The recently used filters, newest first, remembered by this browser.

const MAX_ENTRIES = 50;
const KEY = "probedeck.filters";

export class History {
  #storage;
  #place = -1; // the index of the recalled entry, -1 for none

  /** @param {?Storage} storage  null if the browser denies it */
  constructor(storage) {
    this.#storage = storage;
    this.entries = this.#read();
  }

  /** Add a filter that was used. */
  add(text) {
    this.#place = -1;
    const entry = text.trim();
    if (!entry || entry === this.entries[0]) return;
    this.entries = [entry, ...this.entries.filter((it) => it !== entry)].slice(0, MAX_ENTRIES);
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.entries));
    } catch {
      // Full or forbidden: the history lasts as long as the page.
    }
  }

  get isRecalling() {
    return this.#place >= 0;
  }

  /** @param {1|-1} step  1 to an older filter  @returns {?string} null if there is none */
  recall(step) {
    const place = this.#place + step;
    if (place >= this.entries.length) return null;
    this.#place = Math.max(-1, place);
    return place < 0 ? "" : this.entries[place];
  }

  /** The text was edited: stop recalling. */
  leave() {
    this.#place = -1;
  }

  /** Read the entries; the stored value may be malformed. */
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
