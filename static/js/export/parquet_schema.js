// SPDX-License-Identifier: Apache-2.0

// The metadata of Parquet files (https://github.com/apache/parquet-format, parquet.thrift, which
// defines the field ids and enum values used here).

import { bool, i8, i32, i64, list, struct, text } from "./thrift.js";

/** @import { Item } from "./thrift.js" */

const BOOLEAN = 0;
const INT32 = 1;
const INT64 = 2;
const BYTE_ARRAY = 6;
const OPTIONAL = 1;
const GZIP = 2;
export const Encoding = { PLAIN: 0, RLE: 3, RLE_DICTIONARY: 8 };

const EMPTY = struct({});
const integer = (bits, isSigned) => struct({ 10: struct({ 1: i8(bits), 2: bool(isSigned) }) });

// `converted` is the legacy form of the logical type, for older readers; nanoseconds have none.
const TYPES = {
  timestamp_ns: {
    physical: INT64,
    logical: struct({ 8: struct({ 1: bool(true), 2: struct({ 3: EMPTY }) }) }), // UTC, NANOS
  },
  int64: { physical: INT64, converted: 18, logical: integer(64, true) },
  uint64: { physical: INT64, converted: 14, logical: integer(64, false) },
  int32: { physical: INT32, converted: 17, logical: integer(32, true) },
  uint32: { physical: INT32, converted: 13, logical: integer(32, false) },
  bool: { physical: BOOLEAN },
  text: { physical: BYTE_ARRAY, converted: 0, logical: struct({ 1: EMPTY }) },
};

function schemaElement(name, type) {
  const { physical, converted, logical } = TYPES[type];
  return struct({
    1: i32(physical),
    3: i32(OPTIONAL),
    4: text(name),
    6: converted === undefined ? null : i32(converted),
    10: logical,
  });
}

/** Return a data page's header; sizes in bytes. */
export function dataPageHeader(values, encoding, size, compressedSize) {
  const header = struct({
    1: i32(values),
    2: i32(encoding),
    3: i32(Encoding.RLE),
    4: i32(Encoding.RLE),
  });
  return struct({ 1: i32(0), 2: i32(size), 3: i32(compressedSize), 5: header }).bytes;
}

export function dictionaryPageHeader(values, size, compressedSize) {
  const header = struct({ 1: i32(values), 2: i32(Encoding.PLAIN) });
  return struct({ 1: i32(2), 2: i32(size), 3: i32(compressedSize), 7: header }).bytes;
}

/**
 * @param {{name: string, type: string, values: number, encodings: number[], size: number,
 *   compressedSize: number, dataAt: number, dictionaryAt: ?number}} chunk  one column of a row
 *   group; `At`: bytes from the start of the file
 */
export function columnChunk({
  name,
  type,
  values,
  encodings,
  size,
  compressedSize,
  dataAt,
  dictionaryAt,
}) {
  const metadata = struct({
    1: i32(TYPES[type].physical),
    2: list(encodings.map(i32)),
    3: list([text(name)]),
    4: i32(GZIP),
    5: i64(values),
    6: i64(size),
    7: i64(compressedSize),
    9: i64(dataAt),
    11: dictionaryAt === null ? null : i64(dictionaryAt),
  });
  return struct({ 2: i64(dictionaryAt ?? dataAt), 3: metadata });
}

/** @param {Item[]} chunks  of `columnChunk` */
export function rowGroup(chunks, size, rows) {
  return struct({ 1: list(chunks), 2: i64(size), 3: i64(rows) });
}

/** @param {{name: string, type: string}[]} columns  @param {Item[]} groups  of `rowGroup` */
export function fileMetadata(columns, groups, rows) {
  const root = struct({ 4: text("events"), 5: i32(columns.length) });
  const elements = columns.map(({ name, type }) => schemaElement(name, type));
  return struct({
    1: i32(2),
    2: list([root, ...elements]),
    3: i64(rows),
    4: groups.length > 0 ? list(groups) : { type: 9, bytes: [12] }, // an empty list of structs
    6: text("Probedeck"),
  }).bytes;
}
