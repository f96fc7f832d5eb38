// SPDX-License-Identifier: Apache-2.0

// The most frequent values of a column among the newest rows, for completion.

import { VALUE } from "../data/chunk.js";

/** @import { EventStore } from "../data/store.js" */

export const ROWS = 16_384; // counted: a few milliseconds at most
const MAX_VALUES = 50;
const MAX_DISTINCT = 5_000; // with more, values do not repeat and none is frequent

/**
 * @param {EventStore} store  @param {{key: string}} column
 * @returns {{values: {value: string|number|bigint, rows: number}[], of: ?number}} the most frequent
 *   first; `of` is the number of rows counted, null for all
 */
export function valuesSeen(store, { key }) {
  const counts = new Map();
  store.scan(store.end - ROWS, store.end, (chunk, start, stop) => {
    const column = chunk.columns.get(key);
    if (column?.texts) countTexts(column, start, stop, counts);
    else if (column) countNumbers(column, start, stop, counts);
  });
  const values = [...counts]
    .map(([value, rows]) => ({ value, rows }))
    .sort((a, b) => b.rows - a.rows)
    .slice(0, MAX_VALUES);
  return { values, of: store.length > ROWS ? ROWS : null };
}

function countTexts({ codes, texts }, start, stop, counts) {
  const byCode = new Uint32Array(texts.length);
  for (let row = start; row < stop; row++) byCode[codes[row]]++;
  for (let code = VALUE; code < texts.length; code++) {
    if (byCode[code] > 0) add(counts, texts[code], byCode[code]);
  }
}

function countNumbers({ values, states }, start, stop, counts) {
  for (let row = start; row < stop; row++) if (states[row] === VALUE) add(counts, values[row], 1);
}

function add(counts, value, rows) {
  const before = counts.get(value);
  if (before !== undefined || counts.size < MAX_DISTINCT) counts.set(value, (before ?? 0) + rows);
}
