// SPDX-License-Identifier: Apache-2.0

// Durations measured in nanoseconds.

/** @type {[number, string][]} */
const STEPS = [
  [1_000_000_000, "s"],
  [1_000_000, "ms"],
  [1_000, "µs"],
];

/**
 * 1234n -> "1.23 µs": three digits and a suitable unit; the minus sign is as wide as a digit.
 * @param {bigint|number} ns
 */
export function duration(ns) {
  const value = Number(ns);
  if (value < 0) return `−${duration(-value)}`;
  for (const [size, unit] of STEPS) {
    // 999.6 µs would round to "1000 µs"; it belongs to the next unit.
    if (value >= size * 0.9995) return `${threeDigits(value / size)} ${unit}`;
  }
  return `${value} ns`;
}

function threeDigits(value) {
  if (value >= 99.95) return Math.round(value).toLocaleString("en-US");
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
