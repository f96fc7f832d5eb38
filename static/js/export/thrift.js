// SPDX-License-Identifier: Apache-2.0

// The part of the Thrift compact protocol that the metadata of Parquet needs
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
// Each function returns `{type, bytes}`; numbers are non-negative integers.

/** @typedef {{type: number, bytes: number[]}} Item */

const TRUE = 1;
const FALSE = 2;
const UTF8 = new TextEncoder();

/** Return the ULEB128 of a number up to 2**53. */
export function varint(value) {
  const bytes = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  bytes.push(value);
  return bytes;
}

export const bool = (value) => ({ type: value ? TRUE : FALSE, bytes: [] });
export const i8 = (value) => ({ type: 3, bytes: [value] });
export const i32 = (value) => ({ type: 5, bytes: zigzag(value) });
export const i64 = (value) => ({ type: 6, bytes: zigzag(value) });

export function text(value) {
  const bytes = UTF8.encode(value);
  return { type: 8, bytes: [...varint(bytes.length), ...bytes] };
}

/** @param {Item[]} values  at least one, all of one type */
export function list(values) {
  const [{ type }] = values;
  const { length } = values;
  const head = length < 15 ? [(length << 4) | type] : [0xf0 | type, ...varint(length)];
  return { type: 9, bytes: head.concat(...values.map(({ bytes }) => bytes)) };
}

/**
 * @param {Object<number, ?Item>} fields  by id, at most 15 apart; null for none
 */
export function struct(fields) {
  const bytes = [];
  let last = 0;
  for (const [key, value] of Object.entries(fields)) {
    if (!value) continue;
    const id = Number(key); // ascending: the order of integer keys
    bytes.push(((id - last) << 4) | value.type, ...value.bytes);
    last = id;
  }
  bytes.push(0);
  return { type: 12, bytes };
}

const zigzag = (value) => varint(2 * value);
