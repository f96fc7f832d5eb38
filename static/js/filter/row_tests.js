// SPDX-License-Identifier: Apache-2.0

// Tests of rows over the columns of a chunk, and their combinations. A test is
// `(chunk, start, rows)`: `rows` has a byte for each row from `start` on, and the test clears those
// of rows that do not match. Rows that are 0 already are skipped.

import { VALUE } from "../data/chunk.js";
import { BIGINT_TYPES } from "../data/columns.js";
import { HIGH_WORD, LOW_WORD, signedWordsOf, wordsOf } from "../data/words.js";

/** All tests must match: each sees only the rows that the previous ones have left. */
export function all(tests) {
  if (tests.length === 1) return tests[0];
  return (chunk, start, rows) => {
    for (const test of tests) test(chunk, start, rows);
  };
}

/** One test must match: each sees only the rows that the previous ones did not match. */
export function any(tests) {
  if (tests.length === 1) return tests[0];
  return (chunk, start, rows) => {
    const passed = new Uint8Array(rows.length);
    for (const test of tests) {
      const tried = rows.slice();
      test(chunk, start, tried);
      for (let i = 0; i < rows.length; i++) {
        passed[i] |= tried[i];
        rows[i] &= tried[i] ^ 1;
      }
    }
    rows.set(passed);
  };
}

/** The test must not match; rows without a value pass. */
export function not(test) {
  return (chunk, start, rows) => {
    const tried = rows.slice();
    test(chunk, start, tried);
    for (let i = 0; i < rows.length; i++) rows[i] &= tried[i] ^ 1;
  };
}

/** Test a column's text; each distinct text of a chunk is tested once. */
export function textTest(key, matches) {
  return (chunk, start, rows) => {
    const column = chunk.columns.get(key);
    if (!column) return void rows.fill(0);
    const passed = new Uint8Array(rows.length);
    markMatches(column, matches, start, rows, passed);
    rows.set(passed);
  };
}

/**
 * Test the text of any column, and the names of the numbers that are shown by name.
 * @param {(key: string) => (text: string) => boolean} matchesOf
 * @param {Map<string, Set<number|bigint>>} numbers  by the column's key: those with a name that
 *   matches
 */
export function anyTextTest(matchesOf, numbers) {
  return (chunk, start, rows) => {
    const passed = new Uint8Array(rows.length);
    for (const [key, column] of chunk.columns) {
      if (column.texts) markMatches(column, matchesOf(key), start, rows, passed);
      else if (numbers.has(key)) markNumbers(column, numbers.get(key), start, rows, passed);
    }
    rows.set(passed);
  };
}

function markNumbers({ values, states }, wanted, start, rows, passed) {
  if (wanted.size === 0) return;
  for (let i = 0; i < rows.length; i++) {
    if (rows[i] === 0 || states[start + i] !== VALUE) continue;
    if (wanted.has(values[start + i])) passed[i] = 1;
  }
}

function markMatches({ codes, texts }, matches, start, rows, passed) {
  const known = new Int8Array(texts.length).fill(-1);
  known.fill(0, 0, VALUE); // MISSING and NULL do not match
  for (let i = 0; i < rows.length; i++) {
    if (rows[i] === 0 || passed[i] !== 0) continue;
    const code = codes[start + i];
    if (known[code] < 0) known[code] = matches(texts[code]) ? 1 : 0;
    passed[i] = known[code];
  }
}

// The ranges of the column types.
const RANGES = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  timestamp_ns: [-(2n ** 63n), 2n ** 63n - 1n],
  bool: [0n, 1n],
};

/**
 * Test a column's number, from `low` to `high` inclusive; null is unbounded.
 * @param {{key: string, type: string}} column
 * @param {{low: ?bigint, high: ?bigint}} interval
 */
export function numberTest({ key, type }, { low, high }) {
  const [least, most] = RANGES[type];
  const from = low === null || low < least ? least : low;
  const to = high === null || high > most ? most : high;
  if (from > to) return (_chunk, _start, rows) => void rows.fill(0);
  const clear = !BIGINT_TYPES.has(type)
    ? narrowTest(Number(from), Number(to))
    : wideTest(from, to, least < 0n);
  return (chunk, start, rows) => {
    const column = chunk.columns.get(key);
    if (!column) return void rows.fill(0);
    clear(column, start, rows);
  };
}

function narrowTest(from, to) {
  return ({ values, states }, start, rows) => {
    for (let i = 0; i < rows.length; i++) {
      if (rows[i] === 0) continue;
      const value = values[start + i];
      if (value < from || value > to || states[start + i] !== VALUE) rows[i] = 0;
    }
  };
}

// Compares 64-bit values by their words, high word first.
function wideTest(from, to, isSigned) {
  const [fromHigh, fromLow] = halves(from, isSigned);
  const [toHigh, toLow] = halves(to, isSigned);
  return ({ values, states }, start, rows) => {
    const lows = wordsOf(values);
    const highs = isSigned ? signedWordsOf(values) : lows;
    for (let i = 0; i < rows.length; i++) {
      if (rows[i] === 0) continue;
      const at = 2 * (start + i);
      const high = highs[at + HIGH_WORD];
      const low = lows[at + LOW_WORD];
      const isBelow = high < fromHigh || (high === fromHigh && low < fromLow);
      const isAbove = high > toHigh || (high === toHigh && low > toLow);
      if (isBelow || isAbove || states[start + i] !== VALUE) rows[i] = 0;
    }
  };
}

function halves(value, isSigned) {
  const high = isSigned ? BigInt.asIntN(32, value >> 32n) : BigInt.asUintN(32, value >> 32n);
  return [Number(high), Number(BigInt.asUintN(32, value))];
}
