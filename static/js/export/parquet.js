// SPDX-License-Identifier: Apache-2.0

// Writes a Parquet file of flat, optional columns: a row group per slice, text in dictionaries,
// pages compressed with gzip. No library: the one for browsers has fifty files that would need
// changes to load without a bundler.

import { columnNames } from "./file_names.js";
import { columnPages } from "./parquet_pages.js";
import { columnChunk, fileMetadata, rowGroup } from "./parquet_schema.js";

const MAGIC = new TextEncoder().encode("PAR1");

export class ParquetWriter {
  static rowsAtOnce = 32_768;
  #columns;
  #groups = [];
  #at = 0;
  #parts = [];

  constructor(columns) {
    const names = columnNames(columns);
    this.columns = columns;
    this.#columns = columns.map(({ type }, i) => ({ name: names[i], type }));
  }

  begin() {
    this.#write(MAGIC);
    return this.#take();
  }

  /** @param {() => Promise} yieldToPage  lets the page draw and respond */
  async slice(snapshot, from, to, yieldToPage) {
    const chunks = [];
    let size = 0;
    for (let i = 0; i < this.columns.length; i++) {
      await yieldToPage();
      const { name, type } = this.#columns[i];
      const pages = await columnPages(type, snapshot.cells(this.columns[i], from, to));
      const first = this.#at;
      const dictionaryAt = pages.dictionary && this.#write(pages.dictionary.bytes);
      const dataAt = this.#write(pages.data.bytes);
      const sizes = pages.data.size + (pages.dictionary?.size ?? 0);
      const { encodings } = pages;
      const compressedSize = this.#at - first;
      const chunk = { name, type, values: to - from, encodings, size: sizes, compressedSize };
      chunks.push(columnChunk({ ...chunk, dataAt, dictionaryAt }));
      size += sizes;
    }
    this.#groups.push(rowGroup(chunks, size, to - from));
    return this.#take();
  }

  end(snapshot) {
    const metadata = Uint8Array.from(fileMetadata(this.#columns, this.#groups, snapshot.length));
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, metadata.length, true);
    for (const part of [metadata, length, MAGIC]) this.#write(part);
    return this.#take();
  }

  /** @returns {number} the offset in the file */
  #write(bytes) {
    const at = this.#at;
    this.#parts.push(bytes);
    this.#at += bytes.length;
    return at;
  }

  #take() {
    return this.#parts.splice(0);
  }
}
