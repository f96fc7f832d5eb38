// SPDX-License-Identifier: Apache-2.0

// 64-bit columns read as pairs of 32-bit words: a bigint for each cell would be an object for each
// cell, which costs more than all the rest of a filter, a sort or a count.

/** The offsets of the two words in a pair, which depend on the byte order of the machine. */
export const LOW_WORD = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1;
export const HIGH_WORD = 1 - LOW_WORD;

export const TWO_32 = 2 ** 32;

/** Return the words of an array of numbers: a pair for each 64-bit element, else one each. */
export function wordsOf({ buffer, byteOffset, byteLength }) {
  return new Uint32Array(buffer, byteOffset, byteLength / Uint32Array.BYTES_PER_ELEMENT);
}

/** Return the same words as signed numbers. */
export function signedWordsOf({ buffer, byteOffset, byteLength }) {
  return new Int32Array(buffer, byteOffset, byteLength / Int32Array.BYTES_PER_ELEMENT);
}

/** Return whether an array's elements have 64 bits. */
export function isWide(values) {
  return values.BYTES_PER_ELEMENT === 8;
}
