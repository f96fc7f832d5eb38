// Bins of a logarithmic histogram, after HdrHistogram (G. Tene): each power of two is cut into
// 32 equal parts, and below 32 each value is a bin of its own. A value reported as
// the middle of its bin is wrong by at most 1/64 (1.6 %).

const PARTS = 32;
const PART_BITS = 5;

/** For values from 0 to 2**64 - 1. */
export const BINS = PARTS * (64 - PART_BITS + 1);

/** The bin of a value given as two 32-bit words. */
export function binOf(high, low) {
  if (high !== 0) {
    const bit = 63 - Math.clz32(high);
    const below = bit - PART_BITS; // the lowest bit that counts
    const part = below >= 32 ? high >>> (below - 32) : (high << (32 - below)) | (low >>> below);
    return ((bit - PART_BITS + 1) << PART_BITS) + (part & (PARTS - 1));
  }
  if (low >>> 0 < PARTS) return low;
  const below = 31 - Math.clz32(low) - PART_BITS;
  return ((below + 1) << PART_BITS) + ((low >>> below) & (PARTS - 1));
}

/** The lowest value of a bin; of the bin behind the last one, 2**64. */
export function lowOf(bin) {
  if (bin < PARTS) return bin;
  return (PARTS + (bin & (PARTS - 1))) * 2 ** ((bin >> PART_BITS) - 1);
}

/**
 * The value below or at which a part of all values lies.
 *
 * @param {ArrayLike<number>} counts  by bin  @param {number} total  their sum
 * @param {number} part  0.5 for the median
 * @returns {number} the middle of the bin that holds it; NaN when nothing was counted
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
 * Bins joined to at most `most` bars for drawing, from the first that holds something to the
 * last. Bars are the wider the longer the range: at most one for each power of two.
 *
 * @returns {{edges: number[], counts: number[]}} bar i holds values from `edges[i]` to below
 *   `edges[i + 1]`
 */
export function barsOf(counts, most) {
  const first = counts.findIndex((count) => count > 0);
  if (first < 0) return { edges: [], counts: [] };
  const last = counts.findLastIndex((count) => count > 0);
  let width = 1;
  while (Math.floor(last / width) - Math.floor(first / width) >= most && width < PARTS) width *= 2;
  const edges = [];
  const bars = [];
  for (let bin = first - (first % width); bin <= last; bin += width) {
    edges.push(lowOf(bin));
    let sum = 0;
    for (let i = bin; i < bin + width; i++) sum += counts[i];
    bars.push(sum);
  }
  edges.push(lowOf(last - (last % width) + width));
  return { edges, counts: bars };
}
