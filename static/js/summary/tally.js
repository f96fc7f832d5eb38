// SPDX-License-Identifier: Apache-2.0

// The exact number of occurrences of each value of a column, over the rows of the counted chunks.
// Values have ids (ids.js); counts are arrays indexed by id.

import { CHUNK_ROWS, NULL, VALUE } from "../data/chunk.js";
import { NumberIds, TextIds } from "./ids.js";
import { Leaders } from "./leaders.js";

/** @import { Column } from "../data/columns.js" */

// Reused for each chunk: the codes of its rows, the distinct codes, and the count of each.
const codes = new Uint16Array(CHUNK_ROWS);
const usedCodes = new Uint16Array(CHUNK_ROWS);
const codeCounts = new Uint16Array(CHUNK_ROWS + VALUE);

export class Tally {
  #ids;
  #counts = new Uint32Array(64);
  #leaders = new Leaders(() => this.#counts);

  /** @param {Column} column  of a `ColumnList`, of any type */
  constructor(column) {
    this.column = column;
    this.#ids = column.type === "text" ? new TextIds() : new NumberIds();
    /** Rows with a value, and rows whose probe has the column but no value. */
    this.values = 0;
    this.nulls = 0;
  }

  /** The number of distinct values. */
  get distinct() {
    return this.#ids.size;
  }

  /**
   * Return a chunk's share, which `add` fills and `drop` subtracts. Codes identify values within the
   * chunk; MISSING and NULL are codes too.
   */
  share() {
    return { ids: new Uint32Array(16), counts: new Uint16Array(16), codeOf: null, end: VALUE };
  }

  add(share, chunk, rows, count) {
    const column = chunk.columns.get(this.column.key);
    if (!column) return;
    let keys = column.texts;
    if (keys) for (let i = 0; i < count; i++) codes[i] = column.codes[rows[i]];
    else keys = readNumbers(share, column, rows, count);
    this.#count(share, keys, count);
  }

  drop(share) {
    this.nulls -= share.counts[NULL];
    for (let code = VALUE; code < share.end; code++) {
      const counted = share.counts[code];
      if (counted === 0) continue;
      const id = share.ids[code];
      this.values -= counted;
      this.#counts[id] -= counted;
      if (this.#counts[id] === 0) this.#forget(id);
    }
  }

  /** Return the most frequent values, `{key, count}`; the choice among equal counts is stable. */
  top(most) {
    return this.#leaders
      .first(most, this.distinct)
      .map((id) => ({ key: this.#ids.keys[id], count: this.#counts[id] }));
  }

  /** Return the number of occurrences of a value. */
  countOf(key) {
    return this.#counts[this.#ids.find(key)];
  }

  /** Count the first `count` codes; `keys` are the values by code. */
  #count(share, keys, count) {
    if (keys.length > share.ids.length) widen(share, keys.length);
    share.end = Math.max(share.end, keys.length);
    const used = distinctCodes(count);
    for (let i = 0; i < used; i++) {
      const code = usedCodes[i];
      const more = codeCounts[code];
      codeCounts[code] = 0;
      share.counts[code] += more;
      if (code >= VALUE) this.#rise(share, code, keys, more);
      else if (code === NULL) this.nulls += more;
    }
  }

  #rise(share, code, keys, more) {
    let id = share.ids[code];
    if (!id) {
      id = this.#ids.of(keys[code]);
      share.ids[code] = id;
    }
    this.values += more;
    if (id >= this.#counts.length) this.#grow();
    this.#counts[id] += more;
    this.#leaders.rose(id, this.#counts[id]);
  }

  #grow() {
    const grown = new Uint32Array(2 * this.#counts.length);
    grown.set(this.#counts);
    this.#counts = grown;
  }

  #forget(id) {
    this.#leaders.forget(id);
    this.#ids.forget(id);
  }
}

/** Fill `usedCodes` and `codeCounts` from `codes`: most columns have few distinct values. */
function distinctCodes(count) {
  let used = 0;
  for (let i = 0; i < count; i++) {
    const code = codes[i];
    if (codeCounts[code]++ === 0) usedCodes[used++] = code;
  }
  return used;
}

/** Assign codes to the numbers of a chunk, as text columns have them. */
function readNumbers(share, column, rows, count) {
  share.codeOf ??= new Map();
  share.keys ??= [null, null];
  const { values, states } = column;
  let last;
  let lastCode = -1;
  for (let i = 0; i < count; i++) {
    const row = rows[i];
    if (states[row] < VALUE) {
      codes[i] = states[row];
      continue;
    }
    const value = values[row];
    if (value !== last || lastCode < 0) {
      last = value;
      lastCode = share.codeOf.get(value) ?? -1;
      if (lastCode < 0) {
        lastCode = share.keys.push(value) - 1;
        share.codeOf.set(value, lastCode);
      }
    }
    codes[i] = lastCode;
  }
  return share.keys;
}

function widen(share, length) {
  const size = 2 ** Math.ceil(Math.log2(length));
  for (const name of ["ids", "counts"]) {
    const grown = new share[name].constructor(size);
    grown.set(share[name]);
    share[name] = grown;
  }
}
