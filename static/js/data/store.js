// SPDX-License-Identifier: Apache-2.0

// The newest events as columns, in chunks. Rows are numbered from 0 in the order of their
// coming; a number is never used again, so it stays a row's name while rows before it are
// let go. Memory is bounded, by rows and by text, and what was let go is counted.

import { CHUNK_ROWS, Chunk, MISSING } from "./chunk.js";
import { ColumnList, columnKey, MODE_KEY, PROBE_KEY } from "./columns.js";

const DEFAULT_CAPACITY = 1_000_000;

/**
 * Characters of text held, of one or two bytes each. A name can have 4,095 bytes: a million of
 * those would be more than a page can have.
 */
const MAX_CHARACTERS = 160_000_000;

export class EventStore {
  #chunks = [];
  #firstChunk = 0;

  #cleared = null; // {first, received, evicted}: rows before `first` that can be brought back
  #characters = 0; // of the chunks that are full

  constructor(capacity = DEFAULT_CAPACITY, maxCharacters = MAX_CHARACTERS) {
    this.capacity = capacity;
    this.maxCharacters = maxCharacters;
    this.columns = new ColumnList();
    /** The oldest row held, and the one after the newest. */
    this.first = 0;
    this.end = 0;
    this.received = 0;
    this.evicted = 0;
  }

  /** Rows held: events and marks. */
  get length() {
    return this.end - this.first;
  }

  /** Events held. */
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
    this.columns.add(batch.columns);
    for (let from = 0; from < batch.rows; ) {
      const chunk = this.#open();
      const at = chunk.rows;
      const count = Math.min(chunk.room, batch.rows - from);
      for (const source of batch.columns) {
        chunk
          .column(columnKey(source.name, source.type), source.type)
          .append(at, source, from, count);
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
   * Mark that rows are missing here: `{probe, where, rows}`; `rows` is null when nobody can
   * know how many; with `from` and `to` (RFC 3339 or null) where the service told them. A mark
   * right behind one of the same kind is added to it, but for a time without a program
   * ("unwatched"), which is a row of its own.
   * @param {Gap} missing
   * @returns {Gap} the mark; it can be changed
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
   * Show no row any more and start counting again. The rows go on taking their place in the
   * bounded memory, until others need it or `clear` is called again.
   * @returns {() => void} what takes it back: the rows are then before those that came since
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

  /** The chunks that hold rows `from` to `to`: calls `visit(chunk, start, stop, base)`. */
  scan(from, to, visit) {
    for (let row = Math.max(from, this.first); row < to; ) {
      const number = Math.floor(row / CHUNK_ROWS);
      const base = number * CHUNK_ROWS;
      const stop = Math.min(to, base + CHUNK_ROWS);
      visit(this.#chunks[number - this.#firstChunk], row - base, stop - base, base);
      row = stop;
    }
  }

  /** The chunk that holds a row, at `row % CHUNK_ROWS`; undefined when it was let go. */
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

  /** Chunks of which no row is held. */
  #dropUnused(first) {
    const unused = Math.floor(first / CHUNK_ROWS) - this.#firstChunk;
    if (unused <= 0) return;
    for (let i = 0; i < unused; i++) this.#characters -= this.#chunks[i].characters;
    this.#chunks.splice(0, unused);
    this.#firstChunk += unused;
  }
}

/**
 * Whether a mark of this place, right behind another, says the same as that one. A time without
 * programs does not: between two of them there were programs, and nothing happened.
 */
export function extendsGap(gap, where) {
  return gap.where === where && where !== "unwatched";
}
