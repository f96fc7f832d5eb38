// SPDX-License-Identifier: Apache-2.0

// A span of a chart's steps, selected by keys: the step that moves, and the one where it began.

const STEPS_BY_KEY = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };

/**
 * @param {?{from: number, to: number}} span  null for none
 * @param {string} key  @param {boolean} extends_  Shift is down: keep the beginning
 * @param {number} length  of the chart, in steps
 * @returns {?{from: number, to: number}} the same span if the key does not move it
 */
export function movedSpan(span, key, extends_, length) {
  if (length === 0) return null;
  const last = length - 1;
  let to;
  if (key === "Home") to = 0;
  else if (key === "End") to = last;
  else if (!Object.hasOwn(STEPS_BY_KEY, key)) return span;
  else if (span === null)
    to = last; // the newest, or largest
  else to = Math.min(last, Math.max(0, span.to + STEPS_BY_KEY[key]));
  return { from: extends_ && span ? span.from : to, to };
}

/** Return the first and last step of a span. */
export function ends({ from, to }) {
  return from < to ? [from, to] : [to, from];
}

/**
 * Return the span between the same edges after edges were added or removed around it.
 * @returns {?{from: number, to: number}} null if its steps no longer exist
 */
export function sameSpan({ from, to }, before, after) {
  const [first, last] = ends({ from, to });
  const shift = after.indexOf(before[first]) - first;
  if (shift + first < 0 || after[last + 1 + shift] !== before[last + 1]) return null;
  if (after[first + 1 + shift] !== before[first + 1]) return null;
  return { from: from + shift, to: to + shift };
}
