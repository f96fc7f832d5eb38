// SPDX-License-Identifier: Apache-2.0

// What a comparison of a number or a time lets through, as whole numbers from `low` to `high`:
// `5`, `1..5`, `..5`, `5..`. What stands for 5 is the caller's: a number, a latency with
// its unit, an errno's name, a time of day.

import { FilterError } from "./fault.js";

/**
 * @param {"="|"<"|"<="|">"|">="} operator
 * @param {string} text
 * @param {(literal: string) => [bigint|number, bigint|number]} read  the first and last value
 *   that a literal stands for (`10:15` is a whole minute); throws FilterError
 * @returns {{low: ?bigint, high: ?bigint}} both belong to it; null: no bound
 * @throws {FilterError}
 */
export function parseInterval(operator, text, read) {
  const range = operator === "=" ? /^(.*?)\s*\.\.\s*(.*)$/s.exec(text) : null;
  if (range) return between(range[1], range[2], read);
  return COMPARISONS[operator](...read(text));
}

// Values are whole numbers, literals need not be: latency>0.5us.
const COMPARISONS = {
  "=": (first, last) => ({ low: upwards(first), high: downwards(last) }),
  "<": (first) => ({ low: null, high: upwards(first) - 1n }),
  "<=": (_, last) => ({ low: null, high: downwards(last) }),
  ">": (_, last) => ({ low: downwards(last) + 1n, high: null }),
  ">=": (first) => ({ low: upwards(first), high: null }),
};

function between(low, high, read) {
  if (!low && !high) throw new FilterError("a range needs a value before or after ..");
  if (!low) return COMPARISONS["<="](...read(high));
  if (!high) return COMPARISONS[">="](...read(low));
  const [first] = read(low);
  const [, last] = read(high);
  if (first > last) throw new FilterError(`${low} is more than ${high}: nothing is between`);
  return { low: upwards(first), high: downwards(last) };
}

function upwards(value) {
  return typeof value === "bigint" ? value : BigInt(Math.ceil(value));
}

function downwards(value) {
  return typeof value === "bigint" ? value : BigInt(Math.floor(value));
}
