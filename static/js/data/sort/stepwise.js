// SPDX-License-Identifier: Apache-2.0

// Stable sorts as generators, which yield every few thousand items, so that sorting a million rows
// does not block a frame.

/** Items between two yields: less than a millisecond of work. */
export const STEP = 1 << 14;
const DIGIT = 1 << 16;
const RUN = 1 << 12;

/**
 * Sort unsigned integers of one or more 32-bit words, least significant word first: a radix sort by
 * 16 bits, which skips digits that are equal in all items.
 *
 * @param {Uint32Array[]} words  each with at least `count` items
 * @returns {Generator<void, Uint32Array>} indices
 */
export function* radixOrder(words, count) {
  let order = yield* identity(count);
  let other = new Uint32Array(count);
  for (const word of words) {
    for (const shift of [0, 16]) {
      const places = new Uint32Array(DIGIT);
      for (let i = 0; i < count; ) {
        const stop = Math.min(count, i + STEP);
        for (; i < stop; i++) places[(word[i] >>> shift) & 0xffff]++;
        yield;
      }
      if (count === 0 || places[(word[0] >>> shift) & 0xffff] === count) continue;
      for (let digit = 0, sum = 0; digit < DIGIT; digit++) {
        const size = places[digit];
        places[digit] = sum;
        sum += size;
      }
      for (let i = 0; i < count; ) {
        const stop = Math.min(count, i + STEP);
        for (; i < stop; i++) other[places[(word[order[i]] >>> shift) & 0xffff]++] = order[i];
        yield;
      }
      [order, other] = [other, order];
    }
  }
  return order;
}

/**
 * Rank texts by their UTF-16 code units; equal texts have equal ranks.
 *
 * @param {string[]} texts
 * @returns {Generator<void, Uint32Array>} a rank for each, from 0
 */
export function* textRanks(texts) {
  const order = yield* mergeOrder(texts);
  const ranks = new Uint32Array(texts.length);
  let rank = 0;
  for (let i = 1; i < order.length; ) {
    const stop = Math.min(order.length, i + STEP);
    for (; i < stop; i++) {
      if (texts[order[i]] !== texts[order[i - 1]]) rank++;
      ranks[order[i]] = rank;
    }
    yield;
  }
  return ranks;
}

/** Sort by merging: runs are sorted by the engine, then merged pairwise. */
function* mergeOrder(texts) {
  const count = texts.length;
  let order = yield* identity(count);
  const compare = (a, b) => (texts[a] < texts[b] ? -1 : texts[a] > texts[b] ? 1 : a - b);
  for (let from = 0; from < count; from += RUN) {
    order.subarray(from, from + RUN).sort(compare);
    yield;
  }
  let other = new Uint32Array(count);
  for (let size = RUN; size < count; size *= 2) {
    for (let from = 0; from < count; from += 2 * size) {
      const middle = Math.min(count, from + size);
      const end = Math.min(count, from + 2 * size);
      yield* merge(texts, order, other, from, middle, end);
    }
    [order, other] = [other, order];
  }
  return order;
}

function* merge(texts, order, other, from, middle, end) {
  let left = from;
  let right = middle;
  for (let to = from; to < end; ) {
    const stop = Math.min(end, to + RUN);
    while (to < stop) {
      const takesLeft =
        right >= end || (left < middle && texts[order[left]] <= texts[order[right]]);
      other[to++] = takesLeft ? order[left++] : order[right++];
    }
    yield;
  }
}

function* identity(count) {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; ) {
    const stop = Math.min(count, i + STEP);
    for (; i < stop; i++) order[i] = i;
    yield;
  }
  return order;
}
