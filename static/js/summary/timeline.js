// SPDX-License-Identifier: Apache-2.0

// The number of events over time, in buckets, with a series per probe.

import { holds, VALUE } from "../data/chunk.js";
import { HIGH_WORD, LOW_WORD, TWO_32, wordsOf } from "../data/words.js";

/** @import { Column } from "../data/columns.js" */

const DAY_S = 86_400;

// Each width divides the next, so that buckets can be joined.
export const WIDTHS_S = [
  1,
  5,
  15,
  60,
  300,
  900,
  3600,
  14_400,
  DAY_S,
  10 * DAY_S,
  100 * DAY_S,
  1000 * DAY_S,
  10_000 * DAY_S,
];
const BUCKETS = 300;
// More than BUCKETS, so that a chunk's buckets are never wider than those of the whole.
const SHARE_BUCKETS = 1024;
const NS_PER_S = 1_000_000_000n;
const EXACT_NS = 2 ** 52;

export class Timeline {
  #shares = new Set();
  #split;

  /** @param {Column} column  a time  @param {string} split  key of the text column of series */
  constructor(column, split) {
    this.column = column;
    this.#split = split;
  }

  share() {
    const share = { width: 0, first: Infinity, last: -Infinity, series: new Map() };
    this.#shares.add(share);
    return share;
  }

  add(share, chunk, rows, count) {
    const times = chunk.columns.get(this.column.key);
    const split = chunk.columns.get(this.#split);
    if (!times || !split) return;
    const { codes, texts } = split;
    const secondOf = secondReader(times.values, rows[0]);
    // Consecutive rows mostly share their second and series: count them in runs.
    let second = 0;
    let code = -1;
    let run = 0;
    for (let i = 0; i < count; i++) {
      const row = rows[i];
      if (!holds(times, row) || codes[row] < VALUE) continue;
      const now = secondOf(row);
      if (now === second && codes[row] === code) {
        run++;
        continue;
      }
      if (run > 0) put(share, texts[code], second, run);
      second = now;
      code = codes[row];
      run = 1;
    }
    if (run > 0) put(share, texts[code], second, run);
  }

  drop(share) {
    this.#shares.delete(share);
  }

  /**
   * @returns {?{start: number, width: number, seconds: number[], series: {name: string,
   *   counts: number[]}[]}} times in seconds since 1970: bucket i begins at `start + i * width`;
   *   `seconds[i]` is the part of it within the rows' time range; null if nothing was counted
   */
  buckets() {
    let first = Infinity;
    let last = -Infinity;
    for (const share of this.#shares) {
      first = Math.min(first, share.first);
      last = Math.max(last, share.last);
    }
    if (first > last) return null;
    const width = WIDTHS_S.find((it) => Math.floor(last / it) - Math.floor(first / it) < BUCKETS);
    const start = Math.floor(first / width) * width;
    const length = Math.floor((last - start) / width) + 1;
    const series = new Map();
    for (const share of this.#shares) {
      const own = WIDTHS_S[share.width];
      for (const [name, counted] of share.series) {
        if (!series.has(name)) series.set(name, new Array(length).fill(0));
        const counts = series.get(name);
        for (const [bucket, count] of counted)
          counts[Math.floor((bucket * own - start) / width)] += count;
      }
    }
    const seconds = Array.from({ length }, (_, i) => {
      const begin = start + i * width;
      return Math.min(begin + width, last + 1) - Math.max(begin, first);
    });
    const sorted = [...series].sort(([a], [b]) => (a < b ? -1 : 1));
    return { start, width, seconds, series: sorted.map(([name, counts]) => ({ name, counts })) };
  }
}

/** Return a function from a row to its second since 1970, exact without a bigint per row. */
function secondReader(values, row) {
  const words = wordsOf(values);
  const base = floorSecond(values[row]);
  const from = BigInt.asUintN(64, base * NS_PER_S);
  const fromHigh = Number(from >> 32n) | 0;
  const fromLow = Number(from & 0xffff_ffffn);
  const baseSecond = Number(base);
  return (at) => {
    const past =
      ((words[2 * at + HIGH_WORD] | 0) - fromHigh) * TWO_32 + (words[2 * at + LOW_WORD] - fromLow);
    if (Math.abs(past) > EXACT_NS) return Number(floorSecond(values[at]));
    return baseSecond + Math.floor(past / 1e9);
  };
}

function floorSecond(ns) {
  const second = ns / NS_PER_S;
  return ns % NS_PER_S < 0n ? second - 1n : second;
}

function put(share, name, second, count) {
  share.first = Math.min(share.first, second);
  share.last = Math.max(share.last, second);
  if (!share.series.has(name)) share.series.set(name, new Map());
  const counted = share.series.get(name);
  const bucket = Math.floor(second / WIDTHS_S[share.width]);
  counted.set(bucket, (counted.get(bucket) ?? 0) + count);
  if (counted.size > SHARE_BUCKETS) widen(share);
}

/** Join the share's buckets to the next width. */
function widen(share) {
  const ratio = WIDTHS_S[share.width + 1] / WIDTHS_S[share.width];
  share.width++;
  for (const [name, counted] of share.series) {
    const joined = new Map();
    for (const [bucket, count] of counted) {
      const wide = Math.floor(bucket / ratio);
      joined.set(wide, (joined.get(wide) ?? 0) + count);
    }
    share.series.set(name, joined);
  }
}
