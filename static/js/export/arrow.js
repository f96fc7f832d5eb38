// SPDX-License-Identifier: Apache-2.0

// Writes an Arrow IPC file (https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format),
// with a record batch per slice.

import {
  batchType,
  bool,
  Column,
  field,
  int32,
  int64,
  Table,
  TimeUnit,
  tableToIPC,
  timestamp,
  uint32,
  uint64,
  utf8,
  Version,
} from "../../vendor/flechette.mjs";
import { numbers, texts, truthBits, validity } from "./buffers.js";
import { columnNames } from "./file_names.js";

const TYPES = {
  timestamp_ns: timestamp(TimeUnit.NANOSECOND, "UTC"),
  int64: int64(),
  uint64: uint64(),
  int32: int32(),
  uint32: uint32(),
  bool: bool(),
  text: utf8(),
};
const LITTLE_ENDIAN = 0;

export class ArrowWriter {
  static rowsAtOnce = 16_384;
  #batches;

  constructor(columns) {
    this.columns = columns;
    this.#batches = columns.map(() => []);
  }

  begin() {
    return [];
  }

  /** @param {() => Promise} yieldToPage  lets the page draw and respond */
  async slice(snapshot, from, to, yieldToPage) {
    for (const [i, column] of this.columns.entries()) {
      await yieldToPage();
      this.#batches[i].push(batchOf(column.type, snapshot.cells(column, from, to)));
    }
    return [];
  }

  /** Return the file's parts as the library writes them, without a copy into one large array. */
  end() {
    const names = columnNames(this.columns);
    const fields = this.columns.map(({ type }, i) => field(names[i], TYPES[type], true));
    const schema = { version: Version.V5, endianness: LITTLE_ENDIAN, fields, metadata: null };
    const columns = this.columns.map(({ type }, i) => new Column(this.#batches[i], TYPES[type]));
    const sink = new PartsSink();
    tableToIPC(new Table(schema, columns), { format: "file", sink });
    return sink.parts;
  }
}

/** Collects what the library writes. */
class PartsSink {
  parts = [];

  write(bytes) {
    this.parts.push(bytes);
  }

  pad(count) {
    this.write(new Uint8Array(count));
  }

  finish() {
    return null;
  }
}

function batchOf(columnType, cells) {
  const type = TYPES[columnType];
  const { bits, nulls } = validity(cells);
  const batch = {
    type,
    length: cells.length,
    nullCount: nulls,
    validity: nulls > 0 ? bits : NO_BITS,
  };
  if (columnType === "text") {
    const { bytes, offsets } = texts(cells);
    Object.assign(batch, { values: bytes, offsets });
  } else if (columnType === "bool") {
    batch.values = truthBits(cells);
  } else {
    batch.values = numbers(columnType, cells);
  }
  return new (batchType(type, { useBigInt: true }))(batch);
}

const NO_BITS = new Uint8Array(0);
