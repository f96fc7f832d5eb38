// SPDX-License-Identifier: Apache-2.0

// A span of a chart's steps, chosen by keys: the step that moves, and the one it began at.

const STEPS_BY_KEY = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };

/**
 * @param {?{from: number, to: number}} span  null for none
 * @param {string} key  @param {boolean} extends_  Shift is held: keep where it began
 * @param {number} length  of the chart, in steps
 * @returns {?{from: number, to: number}} the same span where the key moves nothing
 */
export function movedSpan(span, key, extends_, length) {
  if (length === 0) return null;
  const last = length - 1;
  let to;
  if (key === "Home") to = 0;
  else if (key === "End") to = last;
  else if (!Object.hasOwn(STEPS_BY_KEY, key)) return span;
  else if (span === null)
    to = last; // what is newest, or largest
  else to = Math.min(last, Math.max(0, span.to + STEPS_BY_KEY[key]));
  return { from: extends_ && span ? span.from : to, to };
}

/** Its first and last step. */
export function ends({ from, to }) {
  return from < to ? [from, to] : [to, from];
}

/**
 * The span between the same edges, after others came or went before and behind it.
 * @returns {?{from: number, to: number}} null when there are no such steps any more
 */
export function sameSpan({ from, to }, before, after) {
  const [first, last] = ends({ from, to });
  const shift = after.indexOf(before[first]) - first;
  if (shift + first < 0 || after[last + 1 + shift] !== before[last + 1]) return null;
  if (after[first + 1 + shift] !== before[first + 1]) return null;
  return { from: from + shift, to: to + shift };
}
