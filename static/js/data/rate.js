// SPDX-License-Identifier: Apache-2.0

// Events per second over the last two seconds, from counts in buckets of 250 ms.

const BUCKET_MS = 250;
const BUCKETS = 8;

export class Rate {
  #counts = new Float64Array(BUCKETS);
  #newest = null;

  /** @param {number} count  @param {number} nowMs  of a monotonic clock */
  add(count, nowMs) {
    this.#moveTo(nowMs);
    this.#counts[this.#newest % BUCKETS] += count;
  }

  perSecond(nowMs) {
    if (this.#newest === null) return 0;
    this.#moveTo(nowMs);
    const sum = this.#counts.reduce((total, count) => total + count, 0);
    // The current bucket counts in proportion to the time that has passed.
    const seconds = ((BUCKETS - 1) * BUCKET_MS + (nowMs % BUCKET_MS)) / 1000;
    return sum / seconds;
  }

  #moveTo(nowMs) {
    const bucket = Math.floor(nowMs / BUCKET_MS);
    if (this.#newest === null || bucket - this.#newest >= BUCKETS) this.#counts.fill(0);
    else for (let b = this.#newest + 1; b <= bucket; b++) this.#counts[b % BUCKETS] = 0;
    this.#newest = Math.max(bucket, this.#newest ?? bucket);
  }
}
