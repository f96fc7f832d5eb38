// From what stands in the filter boxes to one test of rows, run over columns of a chunk.

import { VALUE } from "../data/chunk.js";
import { FilterError, parseInterval } from "./interval.js";
import { clockLiteral, numberLiteral } from "./literals.js";
import { parseWords, wordsTest } from "./words.js";

/** Lets everything through. */
export const EVERYTHING = { select: () => null, errors: new Map(), active: false };

/**
 * @param {string} text  the text filter
 * @param {Map<string, string>} boxes  column key -> what stands in its box
 * @param {object[]} columns  of a `ColumnList`
 * @param {(column: object) => ?Function} names  a column's names for numbers, as `numberOf`
 *   of `numberLiteral`
 * @returns {{select: Function, errors: Map<string, string>, active: boolean}}
 *   `select(chunk, start, stop)` gives a Uint8Array, 1 for each row let through, or null for
 *   all; `errors` say, by column key, what is wrong: such a box filters nothing
 */
export function compileFilter(text, boxes, columns, names = () => undefined) {
  const tests = [];
  const errors = new Map();
  const words = parseWords(text);
  if (words.length > 0) tests.push(wordsTest(words));
  for (const column of columns) {
    const typed = boxes.get(column.key)?.trim();
    if (!typed) continue;
    try {
      tests.push(columnTest(column, typed, names(column)));
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      errors.set(column.key, error.message);
    }
  }
  const active = tests.length > 0;
  const select = active ? (chunk, start, stop) => run(tests, chunk, start, stop) : EVERYTHING.select;
  return { select, errors, active };
}

function run(tests, chunk, start, stop) {
  const passed = new Uint8Array(stop - start).fill(1);
  for (const test of tests) test(chunk, start, stop, passed);
  return passed;
}

function columnTest(column, typed, numberOf) {
  if (column.type === "text") return textTest(column.key, typed.toLowerCase());
  const read =
    column.type === "timestamp_ns" ? clockLiteral() : numberLiteral(column.unit, numberOf);
  return numberTest(column.key, parseInterval(typed, read));
}

// A row without a value in the column (missing or null) does not pass, whatever the test.

function textTest(key, part) {
  return (chunk, start, stop, passed) => {
    const column = chunk.columns.get(key);
    if (!column) return void passed.fill(0);
    const { codes, texts } = column;
    const known = new Int8Array(texts.length).fill(-1);
    for (let i = 0; i < passed.length; i++) {
      if (!passed[i]) continue;
      const code = codes[start + i];
      if (known[code] < 0) known[code] = texts[code]?.toLowerCase().includes(part) ? 1 : 0;
      passed[i] = known[code];
    }
  };
}

function numberTest(key, holds) {
  return (chunk, start, stop, passed) => {
    const column = chunk.columns.get(key);
    if (!column) return void passed.fill(0);
    const { values, states } = column;
    for (let i = 0; i < passed.length; i++) {
      if (passed[i] && !(states[start + i] === VALUE && holds(values[start + i]))) passed[i] = 0;
    }
  };
}
