// SPDX-License-Identifier: Apache-2.0

// 64-bit columns read as pairs of 32-bit words: making a bigint for each cell would cost more
// than everything else that is counted.

import { VALUE } from "./chunk.js";

export const TWO_32 = 2 ** 32;

/** The words of a 64-bit array, low word first: every platform that runs a browser is little endian. */
export function wordsOf(values) {
  return new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
}

/** Whether an array's elements are bigint. */
export function isWide(values) {
  return values.BYTES_PER_ELEMENT === 8;
}

/** Whether a row of a number column holds a value. */
export function holds(column, row) {
  return column.states[row] === VALUE;
}
