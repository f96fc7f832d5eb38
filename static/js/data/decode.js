// SPDX-License-Identifier: Apache-2.0

// Decodes an Arrow IPC stream of one batch into columns, as typed arrays and text readers. The
// schema comes with the batch; no column is known by name here.

import { Type, tableFromIPC } from "../../vendor/flechette.mjs";
import { ARRAYS } from "./chunk.js";
import { HIGH_WORD, LOW_WORD, wordsOf } from "./words.js";

// ignoreBOM keeps U+FEFF at the beginning of a name.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
const NANOSECOND = 3;
/** Limit for decoding a whole batch at once: a slice of a string may keep all of it in memory. */
const MAX_BYTES_A_ROW = 64;

/**
 * Decode a binary frame of the websocket (docs/protocol.md).
 *
 * @param {ArrayBuffer|Uint8Array} bytes
 * @returns {{probe: string, mode: string, run: string, batch: number, rows: number,
 *   counts: ?{calls: number, groups: number, ungrouped: number},
 *   columns: {name: string, type: string, values?: ArrayLike, text?: Function,
 *             repeats?: Function, valid: ?Function}[]}}
 * @throws {Error} if the bytes are not a valid stream, or lack the metadata
 */
export function decodeBatch(bytes) {
  const table = tableFromIPC(bytes, { useBigInt: true });
  const metadata = table.schema.metadata ?? new Map();
  for (const name of ["probe", "mode", "run", "batch"]) {
    if (!metadata.has(name)) throw new Error(`the metadata of a batch lacks "${name}"`);
  }
  return {
    probe: metadata.get("probe"),
    mode: metadata.get("mode"),
    run: metadata.get("run"),
    batch: Number(metadata.get("batch")),
    rows: table.numRows,
    counts: countsOf(metadata),
    columns: table.schema.fields.map((field, index) => {
      const data = table.getChildAt(index).data;
      return readColumn(field, data[0], table.numRows);
    }),
  };
}

/** Return the totals of what a probe counted (docs/aggregates.md); null of rows of calls. */
function countsOf(metadata) {
  if (metadata.get("kind") !== "aggregate") return null;
  const total = (name) => Number(metadata.get(name) ?? 0);
  return { calls: total("calls"), groups: total("groups"), ungrouped: total("ungrouped") };
}

function readColumn(field, data, rows) {
  const type = columnType(field);
  const column = { name: field.name, type, valid: null };
  if (rows === 0 || !data) return column;
  if (data.nullCount > 0) column.valid = (row) => data.isValid(row);
  if (type === "bool") {
    column.values = truths(data, rows);
  } else if (type !== "text") {
    column.values = widened(data.values.subarray(0, rows), ARRAYS[type]);
  } else if (field.type.typeId === Type.Dictionary) {
    const codes = data.values;
    const texts = dictionaryTexts(data.dictionary);
    column.text = (row) => texts[codes[row]];
    column.repeats = (row) => row > 0 && codes[row] === codes[row - 1];
  } else if (field.type.typeId === Type.Utf8) {
    const { values, offsets } = data;
    column.text = textReader(values, offsets, rows);
    column.repeats = (row) => repeats(values, offsets, row);
  } else {
    column.text = (row) => String(data.at(row));
  }
  return column;
}

/** Return the bits of a bool column as 0 and 1. */
function truths(data, rows) {
  const values = new Uint32Array(rows);
  for (let row = 0; row < rows; row++) values[row] = data.value(row) ? 1 : 0;
  return values;
}

/**
 * Return a reader of rows' texts. ASCII text is decoded for the whole batch at once: a call for each
 * row would dominate the time for a batch.
 */
function textReader(values, offsets, rows) {
  const start = offsets[0];
  const size = offsets[rows] - start;
  if (size <= MAX_BYTES_A_ROW * rows) {
    const all = UTF8.decode(values.subarray(start, start + size));
    if (all.length === size)
      return (row) => all.slice(offsets[row] - start, offsets[row + 1] - start);
  }
  return (row) => UTF8.decode(values.subarray(offsets[row], offsets[row + 1]));
}

/** Return the texts of a batch's dictionary. */
function dictionaryTexts(dictionary) {
  return dictionary.data.flatMap(({ values, offsets, length }) => {
    const text = textReader(values, offsets, length);
    return Array.from({ length }, (_, row) => text(row));
  });
}

/** Return numbers of a narrower type in arrays of another: bigints are never made one by one. */
function widened(values, Wide) {
  if (values instanceof Wide) return values;
  if (Wide.BYTES_PER_ELEMENT < 8) return new Wide(values);
  const wide = new Wide(values.length);
  const words = wordsOf(wide);
  for (let row = 0; row < values.length; row++) {
    words[2 * row + LOW_WORD] = values[row];
    if (values[row] < 0) words[2 * row + HIGH_WORD] = -1;
  }
  return wide;
}

/**
 * Return the column type's name in docs/protocol.md: of numbers in a narrower type the field says
 * it. Other types are shown as text.
 */
function columnType({ type, metadata }) {
  const told = metadata?.get("type");
  if (type.typeId === Type.Int && Object.hasOwn(ARRAYS, told ?? "")) return told;
  if (type.typeId === Type.Int && type.bitWidth >= 32) {
    return `${type.signed ? "" : "u"}int${type.bitWidth}`;
  }
  if (type.typeId === Type.Bool) return "bool";
  if (type.typeId === Type.Timestamp && type.unit === NANOSECOND) return "timestamp_ns";
  return "text";
}

/** Whether a row's text has the same bytes as that of the previous row, and needs no decoding. */
function repeats(values, offsets, row) {
  if (row === 0) return false;
  const before = offsets[row - 1];
  const start = offsets[row];
  const size = offsets[row + 1] - start;
  if (start - before !== size) return false;
  for (let i = 0; i < size; i++) {
    if (values[before + i] !== values[start + i]) return false;
  }
  return true;
}
