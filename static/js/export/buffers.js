// SPDX-License-Identifier: Apache-2.0

// Cells as the buffers of columnar formats. Missing cells become null.

import { ARRAYS } from "../data/chunk.js";

const UTF8 = new TextEncoder();

const isNothing = (cell) => cell === null || cell === undefined;

/** Return a bit per cell, least significant bit first, 1 for a value. */
export function validity(cells) {
  const bits = new Uint8Array(Math.ceil(cells.length / 8));
  let nulls = 0;
  for (let i = 0; i < cells.length; i++) {
    if (isNothing(cells[i])) nulls++;
    else bits[i >> 3] |= 1 << (i & 7);
  }
  return { bits, nulls };
}

/** Return numbers as a typed array of the column type, 0 for null. */
export function numbers(type, cells) {
  const values = new ARRAYS[type](cells.length);
  for (let i = 0; i < cells.length; i++) if (!isNothing(cells[i])) values[i] = cells[i];
  return values;
}

/** Return a bit per cell, least significant bit first, 1 for true; 0 for null. */
export function truthBits(cells) {
  const bits = new Uint8Array(Math.ceil(cells.length / 8));
  for (let i = 0; i < cells.length; i++) if (cells[i]) bits[i >> 3] |= 1 << (i & 7);
  return bits;
}

/** Return the cells that have a value. */
export function present(cells) {
  return cells.filter((cell) => !isNothing(cell));
}

/** @returns {{bytes: Uint8Array, offsets: Int32Array}} UTF-8 of all texts, "" for null */
export function texts(cells) {
  const offsets = new Int32Array(cells.length + 1);
  let bytes = new Uint8Array(64 * cells.length);
  let end = 0;
  for (let i = 0; i < cells.length; i++) {
    const text = cells[i] ?? "";
    // A UTF-16 code unit needs at most three bytes of UTF-8.
    if (end + 3 * text.length > bytes.length) bytes = grown(bytes, end + 3 * text.length);
    end += UTF8.encodeInto(text, bytes.subarray(end)).written;
    offsets[i + 1] = end;
  }
  return { bytes: bytes.slice(0, end), offsets };
}

function grown(bytes, needed) {
  const larger = new Uint8Array(Math.max(needed, 2 * bytes.length));
  larger.set(bytes);
  return larger;
}

export function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}
