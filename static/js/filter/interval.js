// SPDX-License-Identifier: Apache-2.0

// The values that match a comparison of a number or a time, as integers from `low` to `high`: `5`,
// `1..5`, `..5`, `5..`. The caller reads the literals: a number, a latency with its unit, an error's
// name, a time of day.

import { FilterError, quoted } from "./fault.js";

/** @import { Literal } from "./literals.js" */

const RANGE = /^(.*?)\s*\.\.\s*(.*)$/s;

/**
 * @param {"="|"<"|"<="|">"|">="} operator
 * @param {string} text
 * @param {(literal: string) => Literal[]} read  of filter/literals.js; throws FilterError
 * @returns {{low: ?bigint, high: ?bigint}[]} alternatives; both ends are inclusive; null: unbounded
 * @throws {FilterError}
 */
export function parseIntervals(operator, text, read) {
  const range = RANGE.exec(text);
  if (!range) return COMPARISONS[operator](read(text));
  if (operator === "=") return between(range[1], range[2], read);
  throw new FilterError(`${quoted(text)} is a range, which works with = but not with ${operator}`, [
    { text: `=${text}` },
  ]);
}

/** @type {Object<string, (found: any[]) => {low: ?bigint, high: ?bigint}[]>} */
// `>10:15` starts after the first nanosecond of that minute and `<=10:15` ends with its last.
const COMPARISONS = {
  "=": (found) => found.map(({ first, last }) => ({ low: first, high: last })),
  "<": ([earliest]) => [{ low: null, high: earliest.low - 1n }],
  "<=": (found) => [{ low: null, high: found.at(-1).until }],
  ">": ([earliest]) => [{ low: earliest.high + 1n, high: null }],
  ">=": ([earliest]) => [{ low: earliest.low, high: null }],
};

function between(from, to, read) {
  if (!from && !to) throw new FilterError("a range needs a value before or after ..");
  if (!from) return COMPARISONS["<="](read(to));
  if (!to) return COMPARISONS[">="](read(from));
  const { low, high: least } = read(from)[0];
  const { until: high } = read(to).at(-1);
  if (least > high)
    throw new FilterError(`${from} is greater than ${to}: the range is empty`, [
      { text: `=${to}..${from}` },
    ]);
  return [{ low, high }];
}
