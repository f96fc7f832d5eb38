// SPDX-License-Identifier: Apache-2.0

// The distribution of a number column's values, over the rows of the counted chunks.

import { holds } from "../data/chunk.js";
import { HIGH_WORD, isWide, LOW_WORD, TWO_32, wordsOf } from "../data/words.js";
import { BINS, barsOf, binOf, quantile } from "./bins.js";

/** @import { Column } from "../data/columns.js" */

const BARS = 72;

export class Histogram {
  #counts = new Uint32Array(BINS);
  #shares = new Set();

  /** @param {Column} column  of a `ColumnList`; values below 0 are counted as 0 */
  constructor(column) {
    this.column = column;
    this.total = 0;
  }

  /** Return a chunk's share, which `add` fills and `drop` subtracts. */
  share() {
    const share = { counts: new Uint16Array(BINS), total: 0, least: Infinity, most: -Infinity };
    this.#shares.add(share);
    return share;
  }

  /** Count the first `count` row numbers of `rows`, rows of a chunk. */
  add(share, chunk, rows, count) {
    const column = chunk.columns.get(this.column.key);
    if (!column) return;
    const { values } = column;
    const words = isWide(values) ? wordsOf(values) : null;
    const isSigned = this.column.type.startsWith("int");
    const before = share.total;
    for (let i = 0; i < count; i++) {
      const row = rows[i];
      if (!holds(column, row)) continue;
      let high = words ? words[2 * row + HIGH_WORD] : 0;
      let low = words ? words[2 * row + LOW_WORD] : values[row];
      if (isSigned && (words ? high | 0 : low) < 0) high = low = 0;
      const value = high * TWO_32 + low;
      if (value < share.least) share.least = value;
      if (value > share.most) share.most = value;
      const bin = binOf(high, low);
      share.counts[bin]++;
      this.#counts[bin]++;
      share.total++;
    }
    this.total += share.total - before;
  }

  drop(share) {
    this.#shares.delete(share);
    this.total -= share.total;
    for (let bin = 0; bin < BINS; bin++) this.#counts[bin] -= share.counts[bin];
  }

  /** The exact minimum and maximum; null if nothing was counted. */
  get range() {
    let least = Infinity;
    let most = -Infinity;
    for (const share of this.#shares) {
      least = Math.min(least, share.least);
      most = Math.max(most, share.most);
    }
    return this.total > 0 ? { least, most } : null;
  }

  /** As `quantile` of bins.js, limited to the range of the values. */
  quantile(part) {
    const { least, most } = this.range ?? { least: NaN, most: NaN };
    return Math.min(most, Math.max(least, quantile(this.#counts, this.total, part)));
  }

  /** As `barsOf` of bins.js. */
  bars() {
    return barsOf(this.#counts, BARS);
  }
}
