// SPDX-License-Identifier: Apache-2.0

// The rows that match the filter, oldest first, updated incrementally from new rows.

import { CHUNK_ROWS } from "./chunk.js";
import { extendsGap } from "./store.js";

/** @import { EventStore } from "./store.js" */

export class View {
  #store;
  #filter;
  #rows; // a ring of row numbers, from #head on
  #head = 0;
  #gaps = new Map(); // row number -> the gaps that it represents
  #seen;
  #observers = new Set();

  /** @param {EventStore} store; the filter is one of `filter/compile.js` */
  constructor(store, filter) {
    this.#store = store;
    this.#filter = filter;
    this.#rows = new Float64Array(2 ** Math.ceil(Math.log2(store.capacity)));
    this.#seen = store.first;
    this.length = 0;
    /** The number of rows evicted from the view's front since it was last reset. */
    this.evicted = 0;
    /** Incremented with every reset, so that observers can see that the rows are others. */
    this.epoch = 0;
  }

  /**
   * Observe changes: `reset()` when the view restarts, empty; `append(from, to)` when rows are added
   * at these places; `trim(count, first)` when the oldest `count` rows are evicted, those with
   * numbers below `first`.
   * @param {{reset: Function, append: Function, trim: Function}} observer
   */
  observe(observer) {
    this.#observers.add(observer);
  }

  /** The number of the view's rows that are events. */
  get events() {
    return this.length - this.#gaps.size;
  }

  /** Return the row number at a place of the view. */
  at(place) {
    return this.#rows[(this.#head + place) & (this.#rows.length - 1)];
  }

  /** Return the place of a row, null if it is not in the view. */
  placeOf(row) {
    const place = this.placeFrom(row);
    return place < this.length && this.at(place) === row ? place : null;
  }

  /** Return the place of the first row whose number is at least `row`. */
  placeFrom(row) {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.at(middle) < row) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Return the gap at a row, `{probe, where, rows}`, null for an event. Gaps of the same kind with no
   * visible event between them are one row.
   */
  gapAt(row) {
    const gaps = this.#gaps.get(row);
    if (!gaps) return null;
    const rows = gaps.reduce((sum, gap) => (gap.rows === null ? null : sum + gap.rows), 0);
    return { ...gaps[0], ...endOf(gaps), rows };
  }

  /** Restart with another filter; `advance` then tests the rows again. */
  refilter(filter) {
    this.#filter = filter;
    this.reset();
  }

  reset() {
    this.#head = 0;
    this.length = 0;
    this.evicted = 0;
    this.epoch++;
    this.#gaps.clear();
    this.#seen = this.#store.first;
    for (const observer of this.#observers) observer.reset();
  }

  /** The first row not tested yet. */
  get seen() {
    return this.#seen;
  }

  /** Return the part of the rows up to `end` that has been tested, 0 to 1. */
  progress(end = this.#store.end) {
    const { first } = this.#store;
    return end > first ? Math.max(0, this.#seen - first) / (end - first) : 1;
  }

  /**
   * Test new rows, up to `end`, and drop rows that the store has evicted.
   *
   * @param {number} end  a row's number
   * @param {() => boolean} isTimeUp  asked between chunks of rows
   * @returns {boolean} whether it reached the end
   */
  advance(end = this.#store.end, isTimeUp = () => false) {
    this.#trim();
    this.#seen = Math.max(this.#seen, this.#store.first);
    while (this.#seen < end) {
      const stop = Math.min(end, (Math.floor(this.#seen / CHUNK_ROWS) + 1) * CHUNK_ROWS);
      this.#take(this.#seen, stop);
      this.#seen = stop;
      if (this.#seen < end && isTimeUp()) break;
    }
    return this.#seen >= end;
  }

  #take(from, to) {
    const before = this.length;
    const mask = this.#rows.length - 1;
    this.#store.scan(from, to, (chunk, start, stop, base) => {
      const passed = this.#filter.select(chunk, start, stop);
      for (let row = start; row < stop; row++) {
        const gap = chunk.gaps.get(row);
        if (gap ? this.#joins(base + row, gap) : passed && !passed[row - start]) continue;
        this.#rows[(this.#head + this.length) & mask] = base + row;
        this.length++;
      }
    });
    if (this.length === before) return;
    for (const observer of this.#observers) observer.append(before, this.length);
  }

  /** Whether the gap joins the previous row; otherwise it becomes a row of its own. */
  #joins(row, gap) {
    const before = this.length > 0 ? this.#gaps.get(this.at(this.length - 1)) : undefined;
    if (before?.[0].probe === gap.probe && extendsGap(before[0], gap.where)) {
      before.push(gap);
      return true;
    }
    this.#gaps.set(row, [gap]);
    return false;
  }

  #trim() {
    const { first } = this.#store;
    let evicted = 0;
    while (evicted < this.length && this.at(evicted) < first) {
      this.#gaps.delete(this.at(evicted));
      evicted++;
    }
    if (evicted === 0) return;
    this.#head = (this.#head + evicted) & (this.#rows.length - 1);
    this.length -= evicted;
    this.evicted += evicted;
    for (const observer of this.#observers) observer.trim(evicted, first);
  }
}

function endOf(gaps) {
  const { to } = gaps.at(-1);
  return to === undefined ? {} : { to };
}
