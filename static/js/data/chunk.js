// SPDX-License-Identifier: Apache-2.0

// A fixed number of rows as columns. A cell is missing (its probe has no such column), null (the
// probe had no value), or a value.

export const CHUNK_ROWS = 8192;

export const MISSING = 0;
export const NULL = 1;
export const VALUE = 2;

/** The typed array for the values of a column type; text has none. */
export const ARRAYS = {
  timestamp_ns: BigInt64Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  bool: Uint32Array, // 0 or 1: the same words as the other numbers, for sorts and filters
};

/** The states of a full column without nulls: one shared array. */
const ALL_VALUES = new Uint8Array(CHUNK_ROWS).fill(VALUE);

/** Return whether a row of a number column holds a value. */
export function holds(column, row) {
  return column.states[row] === VALUE;
}

/** Numbers and times, in a typed array. */
class NumberColumn {
  constructor(type) {
    this.values = new ARRAYS[type](CHUNK_ROWS);
    this.states = new Uint8Array(CHUNK_ROWS);
  }

  append(at, source, from, count) {
    this.values.set(source.values.subarray(from, from + count), at);
    if (!source.valid) {
      this.states.fill(VALUE, at, at + count);
      return;
    }
    for (let i = 0; i < count; i++) this.states[at + i] = source.valid(from + i) ? VALUE : NULL;
  }

  seal() {
    if (this.states.every((state) => state === VALUE)) this.states = ALL_VALUES;
  }

  state(row) {
    return this.states[row];
  }

  value(row) {
    return this.values[row];
  }
}

/**
 * Text, each distinct value stored once per chunk: `codes` index `texts`, and MISSING and NULL are
 * codes too. A filter tests each distinct value once.
 */
class TextColumn {
  constructor() {
    this.codes = new Uint16Array(CHUNK_ROWS); // CHUNK_ROWS + VALUE codes at most
    /** The number of characters of all distinct texts. */
    this.characters = 0;
    this.texts = [null, null];
    this.known = new Map();
  }

  append(at, source, from, count) {
    for (let i = 0; i < count; i++) {
      const row = from + i;
      if (source.valid && !source.valid(row)) this.codes[at + i] = NULL;
      else if (i > 0 && this.codes[at + i - 1] >= VALUE && source.repeats?.(row)) {
        this.codes[at + i] = this.codes[at + i - 1];
      } else this.codes[at + i] = this.#code(source.text(row));
    }
  }

  fill(at, count, text) {
    this.codes.fill(this.#code(text), at, at + count);
  }

  /** The chunk is full: free what only new rows need, which is half of the column's memory. */
  seal() {
    this.known = null;
    this.texts = this.texts.slice(); // without the room to grow
  }

  state(row) {
    return Math.min(this.codes[row], VALUE);
  }

  value(row) {
    return this.texts[this.codes[row]];
  }

  #code(text) {
    let code = this.known.get(text);
    if (code === undefined) {
      code = this.texts.push(text) - 1;
      this.known.set(text, code);
      this.characters += text.length;
    }
    return code;
  }
}

/** Up to CHUNK_ROWS rows. `gaps` has the rows that are gaps and not events. */
export class Chunk {
  constructor() {
    this.rows = 0;
    this.columns = new Map();
    this.gaps = new Map();
  }

  get room() {
    return CHUNK_ROWS - this.rows;
  }

  /** The number of characters of text. */
  get characters() {
    let sum = 0;
    for (const column of this.columns.values()) sum += column.characters ?? 0;
    return sum;
  }

  /** Seal the columns; call this when the chunk is full. */
  seal() {
    for (const column of this.columns.values()) column.seal();
  }

  /** Return the column with this key, a new one if the chunk has none. */
  column(key, type) {
    let column = this.columns.get(key);
    if (!column) {
      column = type === "text" ? new TextColumn() : new NumberColumn(type);
      this.columns.set(key, column);
    }
    return column;
  }
}
