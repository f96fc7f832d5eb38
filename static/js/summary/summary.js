// SPDX-License-Identifier: Apache-2.0

// Counts over all rows of the view, updated incrementally as rows are added and evicted. Each chunk
// of the store has a share of every count, which is subtracted when the chunk's rows are evicted;
// if only some of them are, the chunk's others are counted again.

import { CHUNK_ROWS } from "../data/chunk.js";
import { planOf } from "./plan.js";

/** @import { EventStore } from "../data/store.js" */
/** @import { View } from "../data/view.js" */
/** @import { Histogram } from "./histogram.js" */
/** @import { Tally } from "./tally.js" */
/** @import { Timeline } from "./timeline.js" */

const STEP_ROWS = 1024; // few, so that a step is short even before the JIT has compiled it
const rows = new Uint16Array(STEP_ROWS);

export class Summary {
  #store;
  #view;
  #epoch = -1;
  #keys = "";
  #parts = [];
  #chunks = []; // {number, first, shares}: oldest first
  #counted = 0; // rows counted since the view began

  /** @param {EventStore} store  @param {View} view */
  constructor(store, view) {
    this.#store = store;
    this.#view = view;
  }

  /** @returns {{kind: string, key: string, title: string, measure: Timeline|Histogram|Tally}[]} */
  get parts() {
    return this.#parts;
  }

  /** The part of the view that is counted, 0 to 1. */
  get progress() {
    const { evicted, length } = this.#view;
    return length === 0 ? 1 : Math.max(0, this.#counted - evicted) / length;
  }

  /** Forget all counts, and release their memory. */
  reset() {
    this.#epoch = -1;
    this.#parts = [];
    this.#chunks = [];
  }

  /**
   * Follow the view in short steps until it is counted or the time is up.
   *
   * @param {() => boolean} isTimeUp  asked after each step
   * @returns {boolean} whether the whole view is counted
   */
  advance(isTimeUp = () => false) {
    this.#restartIfOther();
    // The store may have evicted rows that the view still has.
    const front = this.#view.placeFrom(this.#store.first);
    do {
      if (!this.#dropOld(front) && !this.#countNew(front)) return true;
    } while (!isTimeUp());
    return false;
  }

  #restartIfOther() {
    const plan = planOf(this.#store.columns.all);
    const keys = plan.map(({ kind, key, title }) => `${kind} ${key} ${title}`).join("\n");
    if (this.#epoch === this.#view.epoch && this.#keys === keys) return;
    this.#epoch = this.#view.epoch;
    this.#keys = keys;
    this.#parts = plan.map(({ make, ...part }) => ({ ...part, measure: make() }));
    this.#chunks = [];
    this.#counted = 0;
  }

  /** Take one step; return false if no counted row was evicted. */
  #dropOld(front) {
    const oldest = this.#chunks[0];
    if (!oldest) return false;
    const { length } = this.#view;
    const first = front < length ? this.#view.at(front) : Infinity;
    if (first <= oldest.first) return false;
    this.#chunks.shift();
    for (const [i, share] of oldest.shares.entries()) this.#parts[i].measure.drop(share);
    if (Math.floor(first / CHUNK_ROWS) > oldest.number) return true;
    // Count its remaining rows again, up to #counted.
    const chunk = this.#chunkEntry(oldest.number, first);
    this.#chunks.unshift(chunk);
    const end = Math.min(length, this.#counted - this.#view.evicted);
    for (let place = front, last = -1; place > last; ) {
      last = place;
      place = this.#countChunk(chunk, place, end);
    }
    return true;
  }

  /** Take one step; return false if all rows are counted. */
  #countNew(front) {
    const { evicted, length } = this.#view;
    const place = Math.max(front, this.#counted - evicted);
    if (place >= length) return false;
    const row = this.#view.at(place);
    const number = Math.floor(row / CHUNK_ROWS);
    let chunk = this.#chunks.at(-1);
    if (chunk?.number !== number) {
      chunk = this.#chunkEntry(number, row);
      this.#chunks.push(chunk);
    }
    this.#counted = evicted + this.#countChunk(chunk, place, length);
    return true;
  }

  #chunkEntry(number, first) {
    return { number, first, shares: this.#parts.map(({ measure }) => measure.share()) };
  }

  /** Count rows of the chunk from `place` up to `end`. @returns the place after them */
  #countChunk({ number, shares }, place, end) {
    const view = this.#view;
    const base = number * CHUNK_ROWS;
    const limit = base + CHUNK_ROWS;
    let count = 0;
    for (; place < end && count < STEP_ROWS; place++) {
      const row = view.at(place);
      if (row >= limit) break;
      rows[count++] = row - base;
    }
    if (count === 0) return place;
    // Gap rows are rows of the view too; their cells are MISSING in every column.
    this.#store.scan(base + rows[0], base + rows[count - 1] + 1, (chunk) => {
      for (const [i, share] of shares.entries())
        this.#parts[i].measure.add(share, chunk, rows, count);
    });
    return place;
  }
}
