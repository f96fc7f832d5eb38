// SPDX-License-Identifier: Apache-2.0

// The rows that the filter lets through, oldest first, kept up to date from the new rows only.

import { CHUNK_ROWS } from "./chunk.js";
import { extendsGap } from "./store.js";

/** @import { EventStore } from "./store.js" */

export class View {
  #store;
  #filter;
  #rows; // a ring: row numbers, from #head on
  #head = 0;
  #gaps = new Map(); // row number -> the marks it stands for
  #seen;
  #observers = new Set();

  /** @param {EventStore} store; the filter is one of `filter/compile.js` */
  constructor(store, filter) {
    this.#store = store;
    this.#filter = filter;
    this.#rows = new Float64Array(2 ** Math.ceil(Math.log2(store.capacity)));
    this.#seen = store.first;
    this.length = 0;
    /** How many rows left the view's front since it was last reset. */
    this.evicted = 0;
    /** Rises with every reset, so that who counts the rows can see that they are others. */
    this.epoch = 0;
  }

  /**
   * Be told of every change: `reset()` when the view begins again, empty; `append(from, to)`
   * when rows came, at these places; `trim(count, first)` when the oldest `count` rows left:
   * those with numbers below `first`.
   * @param {{reset: Function, append: Function, trim: Function}} observer
   */
  observe(observer) {
    this.#observers.add(observer);
  }

  /** How many of the view's rows are events. */
  get events() {
    return this.length - this.#gaps.size;
  }

  /** The row number at a place of the view. */
  at(place) {
    return this.#rows[(this.#head + place) & (this.#rows.length - 1)];
  }

  /** The place of a row, null when it is not in the view. */
  placeOf(row) {
    const place = this.placeFrom(row);
    return place < this.length && this.at(place) === row ? place : null;
  }

  /** The place of the first row whose number is not below `row`. Row numbers rise. */
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
   * What is gap at a row that is a mark, `{probe, where, rows}`, else null. Marks of one
   * kind between which the filter let nothing through are one row.
   */
  gapAt(row) {
    const gaps = this.#gaps.get(row);
    if (!gaps) return null;
    const rows = gaps.reduce((sum, gap) => (gap.rows === null ? null : sum + gap.rows), 0);
    return { ...gaps[0], ...endOf(gaps), rows };
  }

  /** Start again, empty, with another filter; `advance` then looks at the rows again. */
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

  /** The first row not looked at yet. */
  get seen() {
    return this.#seen;
  }

  /** The part of the rows up to `end` that was looked at: 0 to 1. */
  progress(end = this.#store.end) {
    const { first } = this.#store;
    return end > first ? Math.max(0, this.#seen - first) / (end - first) : 1;
  }

  /**
   * Look at the rows that came since, up to `end`; drop those that the store has let go.
   *
   * @param {number} end  a row's number
   * @param {() => boolean} isTimeUp  asked between chunks of rows
   * @returns {boolean} whether it came to the end
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

  /** Whether the mark goes into the row before; else it is noted as a row of its own. */
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
