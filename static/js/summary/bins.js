// SPDX-License-Identifier: Apache-2.0

// Bins of a logarithmic histogram, after HdrHistogram (G. Tene): each power of two is divided into
// 64 equal parts, and each value below 64 has its own bin. Reporting the middle of a bin for a
// value is wrong by at most 1/128 (0.8%).

const PARTS = 64;
const PART_BITS = 6;

/** For values from 0 to 2**64 - 1. */
export const BINS = PARTS * (64 - PART_BITS + 1);

/** Return the bin of a value given as two 32-bit words. */
export function binOf(high, low) {
  if (high !== 0) {
    const bit = 63 - Math.clz32(high);
    const below = bit - PART_BITS; // the lowest bit that counts
    const part = below >= 32 ? high >>> (below - 32) : (high << (32 - below)) | (low >>> below);
    return ((bit - PART_BITS + 1) << PART_BITS) + (part & (PARTS - 1));
  }
  if (low >>> 0 < PARTS) return low >>> 0;
  const below = 31 - Math.clz32(low) - PART_BITS;
  return ((below + 1) << PART_BITS) + ((low >>> below) & (PARTS - 1));
}

/** Return the lowest value of a bin; for the one after the last bin, 2**64. */
export function lowOf(bin) {
  if (bin < PARTS) return bin;
  return (PARTS + (bin & (PARTS - 1))) * 2 ** ((bin >> PART_BITS) - 1);
}

/**
 * Return a quantile.
 *
 * @param {ArrayLike<number>} counts  by bin  @param {number} total  their sum
 * @param {number} part  0.5 for the median
 * @returns {number} the middle of its bin; NaN if nothing was counted
 */
export function quantile(counts, total, part) {
  let left = Math.max(1, Math.ceil(part * total));
  for (let bin = 0; bin < counts.length; bin++) {
    left -= counts[bin];
    if (left <= 0) return (lowOf(bin) + lowOf(bin + 1) - 1) / 2;
  }
  return NaN;
}

/**
 * Join bins to at most `most` bars for drawing, from the first to the last that is not empty: 8, 4,
 * 2 or 1 per power of two, so that all have about the same width on a logarithmic scale.
 *
 * @returns {{edges: number[], counts: number[]}} bar i holds values from `edges[i]` to below
 *   `edges[i + 1]`
 */
export function barsOf(counts, most) {
  for (const parts of [8, 4, 2, 1]) {
    const bars = joined(counts, edgesOf(parts));
    if (bars.counts.length <= most || parts === 1) return bars;
  }
}

/** Edges of bins near the powers of 2 ** (1 / parts). */
function edgesOf(parts) {
  const edges = [0];
  for (let i = 0; i <= 64 * parts; i++) {
    const ideal = 2 ** (i / parts);
    const width = 2 ** Math.max(0, Math.floor(i / parts) - PART_BITS);
    const edge = Math.round(ideal / width) * width;
    if (edge > edges.at(-1)) edges.push(edge);
  }
  return edges;
}

function joined(counts, edges) {
  const bars = [];
  let bin = 0;
  for (const edge of edges.slice(1)) {
    let sum = 0;
    for (; bin < BINS && lowOf(bin) < edge; bin++) sum += counts[bin];
    bars.push(sum);
  }
  const first = bars.findIndex((count) => count > 0);
  if (first < 0) return { edges: [], counts: [] };
  const end = bars.findLastIndex((count) => count > 0) + 1;
  return { edges: edges.slice(first, end + 1), counts: bars.slice(first, end) };
}
