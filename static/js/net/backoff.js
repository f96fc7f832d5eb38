// SPDX-License-Identifier: Apache-2.0

// Exponential back-off between attempts to connect.

const FIRST_MS = 500;
const MAX_MS = 15_000;

/**
 * Return the delay before the next attempt: it doubles from 0.5 s to 15 s, minus up to a third at
 * random, so that many pages do not reconnect to a restarted service at the same moment.
 *
 * @param {number} failures  consecutive failed attempts, from 1
 * @param {() => number} random  0 <= value < 1
 */
export function backoffMs(failures, random = Math.random) {
  const full = Math.min(MAX_MS, FIRST_MS * 2 ** (failures - 1));
  return Math.round(full * (1 - random() / 3));
}
