// SPDX-License-Identifier: Apache-2.0

// The rows of the view sorted by a column: a layer over it, built in steps and maintained while rows
// are added and evicted. Ties are in arrival order; rows without a value come last in either
// direction. Gaps are meaningful in arrival order only and are omitted.

import { CHUNK_ROWS, VALUE } from "../chunk.js";
import { keysOf } from "./sort_keys.js";
import { STEP } from "./stepwise.js";

/** @import { EventStore } from "../store.js" */
/** @import { View } from "../view.js" */

/** Interval at which new rows are merged; more often would make the table unreadable. */
const MERGE_MS = 250;

export class Order {
  #store;
  #view;
  #by = null; // {column, isDescending}
  #run = null; // the sorted rows that are shown; null for the view itself
  #merged = 0; // the number of rows since the view began that are in the run
  #trimmedTo = 0; // rows before this one have been removed from the run
  #job = null;
  #finishedMs = -MERGE_MS;
  #isReady = true;

  /** @param {EventStore} store  @param {View} view */
  constructor(store, view) {
    this.#store = store;
    this.#view = view;
    view.observe({ reset: () => this.#reset(), append: () => {}, trim: () => {} });
    /** Incremented whenever the rows change places, except when the view itself grows. */
    this.version = 0;
  }

  /** The sort order, `{column, isDescending}`; null for arrival order. */
  get by() {
    return this.#by;
  }

  /** Whether the rows are shown sorted: true some steps after `sort`. */
  get isSorted() {
    return this.#run !== null;
  }

  /** Whether the rows shown match the current filter and order. */
  get isReady() {
    return this.#isReady;
  }

  /**
   * @param {?object} column  of a `ColumnList`; null for arrival order. Until `work` is done, the
   *   rows stay in their previous order
   */
  sort(column, isDescending = false) {
    this.#by = column && { column, isDescending };
    this.#job = null;
    this.#merged = 0;
    this.#finishedMs = -MERGE_MS;
    this.#isReady = column === null;
    if (column !== null) return;
    this.#run = null;
    this.version++;
  }

  get length() {
    return this.#run ? this.#run.count + this.#run.rest.length : this.#view.length;
  }

  /** Return the row number at a place. The store may have evicted the row. */
  at(place) {
    if (!this.#run) return this.#view.at(place);
    const { count, rows, rest } = this.#run;
    return place < count ? rows[place] : rest[place - count];
  }

  /** As `View.gapAt`; a sorted table has no gaps. */
  gapAt(row) {
    return this.#run ? null : this.#view.gapAt(row);
  }

  /** The number of rows evicted at the front since the view was reset; 0 in a sorted table. */
  get evicted() {
    return this.#run ? 0 : this.#view.evicted;
  }

  /** Return the place of a row, null if it is not here. */
  placeOf(row) {
    if (!this.#run) return this.#view.placeOf(row);
    if (row < this.#store.first || row >= this.#store.end) return null;
    const { column, count, keys, rows, rest } = this.#run;
    const source = this.#store.chunkAt(row).columns.get(column.key);
    if (source?.state(row % CHUNK_ROWS) !== VALUE) {
      const place = firstAtLeast(rest.length, (i) => rest[i] - row);
      return rest[place] === row ? count + place : null;
    }
    const key = keys.like(1);
    key.from(source);
    key.take(0, row % CHUNK_ROWS);
    const place = firstAtLeast(count, (i) => keys.compare(i, key, 0) || rows[i] - row);
    return place < count && rows[place] === row ? place : null;
  }

  /**
   * Continue sorting until the time is up.
   *
   * @param {number} nowMs  of a monotonic clock
   * @param {() => boolean} isTimeUp
   * @returns {?number} milliseconds until the next call, null if nothing is pending
   */
  work(nowMs, isTimeUp) {
    if (!this.#by) return null;
    if (!this.#job) {
      if (this.#isReady && !this.#isBehind()) return null;
      const wait = this.#finishedMs + MERGE_MS - nowMs;
      if (wait > 0) return wait;
      this.#job = this.#merge();
    }
    while (!this.#job.next().done) if (isTimeUp()) return 0;
    this.#job = null;
    this.#finishedMs = nowMs;
    return this.#isBehind() ? MERGE_MS : null;
  }

  #isBehind() {
    const { evicted, length } = this.#view;
    return (
      evicted + length > this.#merged || (this.length > 0 && this.#trimmedTo < this.#store.first)
    );
  }

  #reset() {
    this.#job = null;
    this.#merged = 0;
    this.#finishedMs = -MERGE_MS;
    this.version++;
    if (!this.#by) return;
    this.#isReady = false;
    this.#run = emptyRun(this.#by);
  }

  *#merge() {
    const by = this.#by;
    const isNew = !this.#isReady;
    const end = this.#view.evicted + this.#view.length;
    const added = yield* this.#collect(by, isNew ? 0 : this.#merged, end);
    const { first } = this.#store;
    this.#run = yield* merged(isNew ? emptyRun(by) : this.#run, added, first);
    this.#merged = end;
    this.#trimmedTo = first;
    this.#isReady = true;
    this.version++;
  }

  /** Return the view's rows, from one index since its beginning to another, sorted. */
  *#collect({ column, isDescending }, from, to) {
    const view = this.#view;
    const first = Math.max(from, view.evicted);
    const rows = new Float64Array(to - first);
    const keys = keysOf(column, isDescending, to - first);
    const rest = [];
    let count = 0;
    for (let at = first; at < to; ) {
      const stop = Math.min(to, at + STEP);
      let number = -1;
      let chunk = null;
      let source = null;
      // Rows may be evicted between two steps.
      for (at = Math.max(at, view.evicted); at < stop; at++) {
        const row = view.at(at - view.evicted);
        if (Math.floor(row / CHUNK_ROWS) !== number) {
          number = Math.floor(row / CHUNK_ROWS);
          chunk = this.#store.chunkAt(row);
          source = chunk?.columns.get(column.key);
          if (source) keys.from(source);
        }
        if (!chunk || chunk.gaps.has(row % CHUNK_ROWS)) continue;
        if (source?.state(row % CHUNK_ROWS) === VALUE) {
          rows[count] = row;
          keys.take(count++, row % CHUNK_ROWS);
        } else {
          rest.push(row);
        }
      }
      yield;
    }
    return yield* sorted({ column, count, rows, keys, rest: Float64Array.from(rest) });
  }
}

function emptyRun({ column, isDescending }) {
  const rows = new Float64Array(0);
  return { column, count: 0, rows, keys: keysOf(column, isDescending, 0), rest: rows };
}

function* sorted(run) {
  const order = yield* run.keys.order(run.count);
  const rows = new Float64Array(run.count);
  const keys = run.keys.like(run.count);
  for (let i = 0; i < run.count; ) {
    const stop = Math.min(run.count, i + STEP);
    for (; i < stop; i++) {
      rows[i] = run.rows[order[i]];
      keys.copyOne(i, run.keys, order[i]);
    }
    yield;
  }
  return { ...run, rows, keys };
}

/** Merge two sorted runs, without rows before `first`; rows of `b` arrived after those of `a`. */
function* merged(a, b, first) {
  const rows = new Float64Array(a.count + b.count);
  const keys = a.keys.like(rows.length);
  let count = 0;
  let done = 0;
  let steps = 0;
  const put = (run, i) => {
    if (run.rows[i] < first) return;
    rows[count] = run.rows[i];
    keys.copyOne(count++, run.keys, i);
  };
  for (let j = 0; j <= b.count; j++) {
    const stop = j < b.count ? placeAfter(a, done, b, j) : a.count;
    while (done < stop) {
      const step = Math.min(stop, done + STEP);
      for (; done < step; done++) put(a, done);
      yield;
    }
    if (j < b.count) put(b, j);
    if (++steps % 256 === 0) yield;
  }
  return { column: b.column, count, rows, keys, rest: yield* appended(a.rest, b.rest, first) };
}

/** Concatenate two lists of ascending row numbers, without those before `first`. */
function* appended(a, b, first) {
  const from = firstAtLeast(a.length, (i) => a[i] - first);
  const fromB = firstAtLeast(b.length, (i) => b[i] - first);
  const rows = new Float64Array(a.length - from + b.length - fromB);
  rows.set(a.subarray(from));
  yield;
  rows.set(b.subarray(fromB), a.length - from);
  return rows;
}

/** Return the first place of `a`, from `from` on, whose key is greater than key `j` of `b`. */
function placeAfter(a, from, b, j) {
  const isMore = (i) => a.keys.compare(i, b.keys, j) > 0;
  // Galloping search: rows that arrived together are often near each other.
  let step = 1;
  while (from + step <= a.count && !isMore(from + step - 1)) step *= 2;
  let low = from + (step >> 1);
  let high = Math.min(a.count, from + step - 1);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isMore(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Return the first of `count` places where `compare(place)` is at least 0. */
function firstAtLeast(count, compare) {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(middle) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
