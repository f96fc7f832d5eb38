// SPDX-License-Identifier: Apache-2.0

// Sort keys: the values of one column, in a form that can be compared quickly and exactly even after
// the store has evicted the rows. Keys ascend even in a descending sort.

import { HIGH_WORD, LOW_WORD, wordsOf } from "../words.js";
import { radixOrder, STEP, textRanks } from "./stepwise.js";

const SIGN = 0x80000000;
const WORDS = { timestamp_ns: 2, int64: 2, uint64: 2, int32: 1, uint32: 1, bool: 1 };
const IS_SIGNED = { timestamp_ns: true, int64: true, int32: true };

/** Return room for the keys of `count` rows. @param {{type: string}} column of a `ColumnList` */
export function keysOf(column, isDescending, count) {
  return column.type === "text"
    ? new TextKeys(isDescending, count)
    : new NumberKeys(column.type, isDescending, count);
}

/** Numbers as unsigned words, least significant first, which compare as the numbers do. */
class NumberKeys {
  #type;
  #isDescending;
  #source = null;

  constructor(type, isDescending, count) {
    this.#type = type;
    this.#isDescending = isDescending;
    this.words = Array.from({ length: WORDS[type] }, () => new Uint32Array(count));
  }

  /** Take the next values from this column of a chunk. */
  from({ values }) {
    this.#source = wordsOf(values);
  }

  take(i, at) {
    const { words } = this;
    const last = words.length - 1;
    const turn = this.#isDescending ? 0xffffffff : 0;
    const sign = IS_SIGNED[this.#type] ? SIGN : 0;
    if (last === 0) {
      words[0][i] = this.#source[at] ^ sign ^ turn;
      return;
    }
    words[0][i] = this.#source[2 * at + LOW_WORD] ^ turn;
    words[1][i] = this.#source[2 * at + HIGH_WORD] ^ sign ^ turn;
  }

  /** Return the order of the first `count` keys, as indices; equal keys keep their order. */
  order(count) {
    return radixOrder(this.words, count);
  }

  compare(i, other, j) {
    for (let w = this.words.length - 1; w >= 0; w--) {
      const mine = this.words[w][i];
      const its = other.words[w][j];
      if (mine !== its) return mine < its ? -1 : 1;
    }
    return 0;
  }

  copy(to, other, from, count) {
    for (const [w, word] of this.words.entries()) {
      word.set(other.words[w].subarray(from, from + count), to);
    }
  }

  copyOne(to, other, from) {
    for (let w = 0; w < this.words.length; w++) this.words[w][to] = other.words[w][from];
  }

  /** Return keys of the same kind, with room for `count`. */
  like(count) {
    return new NumberKeys(this.#type, this.#isDescending, count);
  }
}

/** Texts; sorted by the rank of each among the distinct texts. */
class TextKeys {
  #isDescending;
  #source = null;
  #ids = new Map(); // column of a chunk -> for each code a place in `#distinct`, or -1
  #idsNow = null;
  #distinct = [];
  #id = null;

  constructor(isDescending, count) {
    this.#isDescending = isDescending;
    this.texts = new Array(count);
  }

  from(column) {
    this.#source = column;
    this.#id ??= new Uint32Array(this.texts.length);
    this.#idsNow = this.#ids.get(column);
    // A chunk that is not full may have gained texts since the last visit.
    if (!this.#idsNow || this.#idsNow.length < column.texts.length) {
      const ids = new Int32Array(column.texts.length).fill(-1);
      if (this.#idsNow) ids.set(this.#idsNow);
      this.#ids.set(column, ids);
      this.#idsNow = ids;
    }
  }

  take(i, at) {
    const code = this.#source.codes[at];
    const text = this.#source.texts[code];
    let id = this.#idsNow[code];
    if (id < 0) {
      id = this.#distinct.push(text) - 1;
      this.#idsNow[code] = id;
    }
    this.#id[i] = id;
    this.texts[i] = text;
  }

  *order(count) {
    const ranks = yield* textRanks(this.#distinct);
    const turn = this.#isDescending ? 0xffffffff : 0;
    const word = new Uint32Array(count);
    for (let i = 0; i < count; ) {
      const stop = Math.min(count, i + STEP);
      for (; i < stop; i++) word[i] = ranks[this.#id[i]] ^ turn;
      yield;
    }
    return yield* radixOrder([word], count);
  }

  compare(i, other, j) {
    const mine = this.texts[i];
    const its = other.texts[j];
    if (mine === its) return 0;
    return mine < its === this.#isDescending ? 1 : -1;
  }

  copy(to, other, from, count) {
    for (let i = 0; i < count; i++) this.texts[to + i] = other.texts[from + i];
  }

  copyOne(to, other, from) {
    this.texts[to] = other.texts[from];
  }

  like(count) {
    return new TextKeys(this.#isDescending, count);
  }
}
