// SPDX-License-Identifier: Apache-2.0

// The rows of an export: rows that the store evicts or clears in the meantime stay readable until
// the export is done.

import { CHUNK_ROWS, MISSING, NULL } from "../data/chunk.js";

/** @import { Chunk } from "../data/chunk.js" */

export class Snapshot {
  #chunks;
  #rows;

  /**
   * @param {object[]} columns  of a `ColumnList`
   * @param {Map<number, Chunk>} chunks  by their index: row number / CHUNK_ROWS
   * @param {Float64Array} rows  numbers of the events, oldest first
   * @param {{before: number, probe: string, where: string, rows: ?number}[]} gaps  what is
   *   gap, each with the index of the event that follows it
   */
  constructor(columns, chunks, rows, gaps) {
    this.columns = columns;
    this.#chunks = chunks;
    this.#rows = rows;
    this.gaps = gaps;
  }

  /** The number of events. */
  get length() {
    return this.#rows.length;
  }

  /**
   * Return the cells of one column for the events `from` to `to`: undefined if the event's probe has
   * no such column, null if there is no value.
   */
  cells(column, from, to) {
    const cells = new Array(to - from);
    let place = -1;
    let source;
    for (let i = from; i < to; i++) {
      const row = this.#rows[i];
      if (Math.floor(row / CHUNK_ROWS) !== place) {
        place = Math.floor(row / CHUNK_ROWS);
        source = this.#chunks.get(place).columns.get(column.key);
      }
      cells[i - from] = source ? cell(source, row % CHUNK_ROWS) : undefined;
    }
    return cells;
  }
}

function cell(source, at) {
  const state = source.state(at);
  if (state === MISSING) return undefined;
  return state === NULL ? null : source.value(at);
}

/** Return a snapshot of all rows in the store. */
export function snapshotOfStore(store) {
  const { first, length } = store;
  const chunks = chunksOf(store);
  const gapAt = (row) => chunks.get(Math.floor(row / CHUNK_ROWS)).gaps.get(row % CHUNK_ROWS);
  return snapshotOf(store, chunks, length, (place) => first + place, gapAt);
}

/** Return a snapshot of the view: the events that match the filter, up to where it was paused. */
export function snapshotOfView(store, view) {
  const gapAt = (row) => view.gapAt(row);
  return snapshotOf(store, chunksOf(store), view.length, (place) => view.at(place), gapAt);
}

function chunksOf(store) {
  const chunks = new Map();
  store.scan(store.first, store.end, (chunk, _start, _stop, base) => {
    chunks.set(base / CHUNK_ROWS, chunk);
  });
  return chunks;
}

function snapshotOf(store, chunks, length, numberAt, gapAt) {
  const rows = new Float64Array(length);
  const gaps = [];
  let events = 0;
  for (let place = 0; place < length; place++) {
    const row = numberAt(place);
    if (row < store.first) continue; // the view may still have rows that the store has evicted
    const gap = gapAt(row);
    if (gap) gaps.push({ ...gap, before: events });
    else rows[events++] = row;
  }
  return new Snapshot([...store.columns.all], chunks, rows.subarray(0, events), gaps);
}
