// SPDX-License-Identifier: Apache-2.0

// The pages of a Parquet column: encoded values, compressed by the browser
// (https://github.com/apache/parquet-format, Encodings.md).

import { joined, numbers, present, texts, truthBits, validity } from "./buffers.js";
import { dataPageHeader, dictionaryPageHeader, Encoding } from "./parquet_schema.js";
import { varint } from "./thrift.js";

/**
 * A page: its bytes with header, and its uncompressed size with header.
 * @typedef {{bytes: Uint8Array, size: number}} Page
 */

/**
 * Return the pages of one column of a row group.
 * @returns {Promise<{data: Page, dictionary: ?Page, encodings: number[]}>}
 */
export async function columnPages(type, cells) {
  const levels = definitionLevels(cells);
  const values = present(cells);
  if (type !== "text") {
    const plain =
      type === "bool" ? truthBits(values) : new Uint8Array(numbers(type, values).buffer);
    const data = await dataPage(cells.length, Encoding.PLAIN, [levels, plain]);
    return { data, dictionary: null, encodings: [Encoding.PLAIN, Encoding.RLE] };
  }
  const { codes, distinct } = dictionaryOf(values);
  const width = Math.max(1, Math.ceil(Math.log2(distinct.length)));
  const packed = [Uint8Array.of(width), bitPacked(codes, width)];
  const data = await dataPage(cells.length, Encoding.RLE_DICTIONARY, [levels, ...packed]);
  const plain = plainTexts(distinct);
  const body = await gzip(plain);
  const header = Uint8Array.from(dictionaryPageHeader(distinct.length, plain.length, body.length));
  const dictionary = { bytes: joined([header, body]), size: header.length + plain.length };
  return { data, dictionary, encodings: [Encoding.PLAIN, Encoding.RLE, Encoding.RLE_DICTIONARY] };
}

async function dataPage(rows, encoding, parts) {
  const body = joined(parts);
  const compressed = await gzip(body);
  const header = Uint8Array.from(dataPageHeader(rows, encoding, body.length, compressed.length));
  return { bytes: joined([header, compressed]), size: header.length + body.length };
}

/** Return 1 for each value and 0 for each null, prefixed by the length, as in version 1 pages. */
function definitionLevels(cells) {
  const { bits, nulls } = validity(cells);
  const runs =
    nulls === 0
      ? Uint8Array.from([...varint(cells.length * 2), 1]) // an RLE run
      : joined([Uint8Array.from(varint(bits.length * 2 + 1)), bits]); // a bit-packed run
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, runs.length, true);
  return joined([length, runs]);
}

function dictionaryOf(values) {
  const known = new Map();
  const codes = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    let code = known.get(values[i]);
    if (code === undefined) {
      code = known.size;
      known.set(values[i], code);
    }
    codes[i] = code;
  }
  return { codes, distinct: [...known.keys()] };
}

/** Return one bit-packed run: groups of eight values of `width` bits, least significant first. */
function bitPacked(codes, width) {
  const groups = Math.ceil(codes.length / 8);
  const head = varint(groups * 2 + 1);
  const bytes = new Uint8Array(head.length + groups * width);
  bytes.set(head);
  let end = head.length;
  let pending = 0;
  let bits = 0;
  for (const code of codes) {
    pending |= code << bits; // widths of up to 24 bits leave room for 7 pending bits
    for (bits += width; bits >= 8; bits -= 8) {
      bytes[end++] = pending & 0xff;
      pending >>>= 8;
    }
  }
  if (bits > 0) bytes[end] = pending;
  return bytes;
}

/** Return texts in plain encoding: each is prefixed by its length in bytes. */
function plainTexts(distinct) {
  const { bytes, offsets } = texts(distinct);
  const plain = new Uint8Array(bytes.length + 4 * distinct.length);
  const view = new DataView(plain.buffer);
  for (let i = 0; i < distinct.length; i++) {
    const at = offsets[i] + 4 * i;
    view.setUint32(at, offsets[i + 1] - offsets[i], true);
    plain.set(bytes.subarray(offsets[i], offsets[i + 1]), at + 4);
  }
  return plain;
}

async function gzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
