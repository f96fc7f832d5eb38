// SPDX-License-Identifier: Apache-2.0

// The newest events as columns, in chunks. Row numbers follow arrival order and are never reused, so
// a number identifies a row even after older rows are evicted. Memory is bounded, by rows and by
// text, and evicted rows are counted.

import { CHUNK_ROWS, Chunk, MISSING } from "./chunk.js";
import { ColumnList, MODE_KEY, PROBE_KEY } from "./columns.js";

const DEFAULT_CAPACITY = 1_000_000;

/**
 * The limit for characters of text in memory, of one or two bytes each. A name can have 4,095 bytes:
 * a million of those would exceed the memory of a page.
 */
const MAX_CHARACTERS = 160_000_000;

export class EventStore {
  #chunks = [];
  #firstChunk = 0;

  #cleared = null; // {first, received, evicted}: cleared rows that can be restored
  #characters = 0; // of the full chunks

  constructor(capacity = DEFAULT_CAPACITY, maxCharacters = MAX_CHARACTERS) {
    this.capacity = capacity;
    this.maxCharacters = maxCharacters;
    this.columns = new ColumnList();
    /** The oldest row in the store, and the one after the newest. */
    this.first = 0;
    this.end = 0;
    this.received = 0;
    this.evicted = 0;
  }

  /** The number of rows: events and gaps. */
  get length() {
    return this.end - this.first;
  }

  /** The number of events. */
  get events() {
    let gaps = 0;
    for (const [i, chunk] of this.#chunks.entries()) {
      const base = (this.#firstChunk + i) * CHUNK_ROWS;
      if (base >= this.first) gaps += chunk.gaps.size;
      else for (const at of chunk.gaps.keys()) if (base + at >= this.first) gaps++;
    }
    return this.length - gaps;
  }

  /** Append a batch as `decodeBatch` returns it. */
  append(batch) {
    this.columns.add(batch.columns, batch.probe);
    for (let from = 0; from < batch.rows; ) {
      const chunk = this.#open();
      const at = chunk.rows;
      const count = Math.min(chunk.room, batch.rows - from);
      for (const source of batch.columns) {
        const key = this.columns.keyOf(batch.probe, source.name, source.type);
        chunk.column(key, source.type).append(at, source, from, count);
      }
      chunk.column(PROBE_KEY, "text").fill(at, count, batch.probe);
      chunk.column(MODE_KEY, "text").fill(at, count, batch.mode);
      this.#fill(chunk, count);
      from += count;
    }
    this.received += batch.rows;
    this.#grow(batch.rows);
  }

  /**
   * Add a gap row where events are missing: `{probe, where, rows}`; `rows` is null if their number
   * is unknown; `from` and `to` (RFC 3339 or null) if the service sent them. A gap right after one
   * of the same kind extends it, except for a time without a program ("unwatched"), which is always
   * a row of its own.
   * @param {Gap} missing
   * @returns {Gap} the gap, which can be changed
   */
  addGap({ probe, where, rows, from, to }) {
    const last = this.length > 0 ? this.gapAt(this.end - 1) : null;
    if (last && last.probe === probe && extendsGap(last, where)) {
      last.rows = last.rows === null || rows === null ? null : last.rows + rows;
      if (to !== undefined) last.to = to;
      return last;
    }
    const chunk = this.#open();
    const gap = { probe, where, rows };
    if (from !== undefined) gap.from = from;
    if (to !== undefined) gap.to = to;
    chunk.gaps.set(chunk.rows, gap);
    this.#fill(chunk, 1);
    this.#grow(1);
    return gap;
  }

  /**
   * Hide all rows and reset the counts. The rows stay in the bounded memory until others need it or
   * `clear` is called again.
   * @returns {() => void} restores the rows, before those that arrived since
   */
  clear() {
    const cleared = { first: this.first, received: this.received, evicted: this.evicted };
    this.#cleared = cleared;
    this.received = 0;
    this.evicted = 0;
    this.first = this.end;
    this.#dropUnused(cleared.first);
    return () => {
      if (this.#cleared !== cleared) return;
      this.#cleared = null;
      this.first = cleared.first;
      this.received += cleared.received;
      this.evicted += cleared.evicted;
    };
  }

  /** Call `visit(chunk, start, stop, base)` for each chunk with rows from `from` to `to`. */
  scan(from, to, visit) {
    for (let row = Math.max(from, this.first); row < to; ) {
      const number = Math.floor(row / CHUNK_ROWS);
      const base = number * CHUNK_ROWS;
      const stop = Math.min(to, base + CHUNK_ROWS);
      visit(this.#chunks[number - this.#firstChunk], row - base, stop - base, base);
      row = stop;
    }
  }

  /** Return the chunk that has a row, at `row % CHUNK_ROWS`; undefined if it was evicted. */
  chunkAt(row) {
    return this.#chunks[Math.floor(row / CHUNK_ROWS) - this.#firstChunk];
  }

  gapAt(row) {
    return this.chunkAt(row).gaps.get(row % CHUNK_ROWS) ?? null;
  }

  /** MISSING, NULL or VALUE. */
  stateAt(row, key) {
    return (
      this.chunkAt(row)
        .columns.get(key)
        ?.state(row % CHUNK_ROWS) ?? MISSING
    );
  }

  valueAt(row, key) {
    return this.chunkAt(row)
      .columns.get(key)
      .value(row % CHUNK_ROWS);
  }

  /** Whether any row has a column. */
  has(key) {
    return this.#chunks.some((chunk) => chunk.columns.has(key));
  }

  #open() {
    const last = this.#chunks.at(-1);
    if (last && last.room > 0) return last;
    const chunk = new Chunk();
    this.#chunks.push(chunk);
    return chunk;
  }

  #fill(chunk, rows) {
    chunk.rows += rows;
    if (chunk.room > 0) return;
    chunk.seal();
    this.#characters += chunk.characters;
  }

  #grow(rows) {
    this.end += rows;
    const held = this.#cleared ?? this;
    let first = Math.max(held.first, this.end - this.capacity);
    for (let i = 0, characters = this.#characters; characters > this.maxCharacters; i++) {
      characters -= this.#chunks[i].characters;
      first = Math.max(first, (this.#firstChunk + i + 1) * CHUNK_ROWS);
    }
    held.evicted += first - held.first;
    held.first = first;
    if (first > this.first) {
      this.evicted += first - this.first;
      this.first = first;
    }
    this.#dropUnused(first);
  }

  /** Drop the chunks without rows from `first` on. */
  #dropUnused(first) {
    const unused = Math.floor(first / CHUNK_ROWS) - this.#firstChunk;
    if (unused <= 0) return;
    for (let i = 0; i < unused; i++) this.#characters -= this.#chunks[i].characters;
    this.#chunks.splice(0, unused);
    this.#firstChunk += unused;
  }
}

/**
 * Whether a gap with this `where`, right after another, extends that one. A time without programs
 * does not: between two of them there were programs, and no event.
 */
export function extendsGap(gap, where) {
  return gap.where === where && where !== "unwatched";
}
