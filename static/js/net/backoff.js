// SPDX-License-Identifier: Apache-2.0

// How long to wait before the next attempt to connect.

const FIRST_MS = 500;
const MAX_MS = 15_000;

/**
 * Doubles from half a second to 15 s, less up to a third at random, so that many pages do not
 * come back to a restarted service in the same moment.
 *
 * @param {number} failures  attempts that failed in a row, from 1
 * @param {() => number} random  0 <= value < 1
 */
export function backoffMs(failures, random = Math.random) {
  const full = Math.min(MAX_MS, FIRST_MS * 2 ** (failures - 1));
  return Math.round(full * (1 - random() / 3));
}
