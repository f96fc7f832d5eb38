// SPDX-License-Identifier: Apache-2.0

// The largest of many changing counts, without scanning all of them each time.
//
// A few ids are candidates. Every other id has a count of at most `floor`, so the largest are among
// the candidates as long as enough of these have `floor` or more; when they do not, all counts are
// scanned once for new candidates.

import { BINS, binOf, lowOf } from "./bins.js";

const MAX_CANDIDATES = 1024;
const KEPT_CANDIDATES = MAX_CANDIDATES / 2;

export class Leaders {
  #candidates = [];
  #isCandidate = new Uint8Array(64);
  #floor = 0;
  #counts;

  /** @param {() => Uint32Array} counts  by id; 0 for an id that is not in use */
  constructor(counts) {
    this.#counts = counts;
  }

  /** The count of an id increased to `count`. */
  rose(id, count) {
    if (count < this.#floor) return;
    if (count > this.#floor || this.#candidates.length < KEPT_CANDIDATES) this.#admit(id);
  }

  /** The id is no longer in use. */
  forget(id) {
    if (!this.#isCandidate[id]) return;
    this.#isCandidate[id] = 0;
    this.#candidates.splice(this.#candidates.indexOf(id), 1);
  }

  /** Return the `most` ids with the largest counts, in order. @param {number} used  ids in use */
  first(most, used) {
    this.#sort();
    const counts = this.#counts();
    const enough = Math.min(most, used);
    const last = this.#candidates[enough - 1];
    const isProven = this.#candidates.length === used || counts[last] >= this.#floor;
    if (!isProven) this.#rebuild();
    return this.#candidates.slice(0, most);
  }

  #admit(id) {
    if (id >= this.#isCandidate.length) this.#grow(id);
    if (this.#isCandidate[id]) return;
    this.#isCandidate[id] = 1;
    this.#candidates.push(id);
    if (this.#candidates.length < MAX_CANDIDATES) return;
    this.#sort();
    for (const left of this.#candidates.splice(KEPT_CANDIDATES)) this.#isCandidate[left] = 0;
    this.#floor = this.#counts()[this.#candidates[KEPT_CANDIDATES - 1]];
  }

  /** Sort the candidates; stable, so that equal counts keep their order. */
  #sort() {
    const counts = this.#counts();
    this.#candidates.sort((a, b) => counts[b] - counts[a]);
  }

  #grow(id) {
    const grown = new Uint8Array(2 ** Math.ceil(Math.log2(id + 1)));
    grown.set(this.#isCandidate);
    this.#isCandidate = grown;
  }

  #rebuild() {
    const counts = this.#counts();
    this.#candidates = [];
    this.#isCandidate.fill(0);
    this.#floor = leastOfLargest(counts, KEPT_CANDIDATES);
    for (let id = 0; id < counts.length; id++) if (counts[id] > 0) this.rose(id, counts[id]);
    this.#sort();
  }
}

/** Return a count above 0 that at least `most` ids (or all in use) reach, and not many more. */
function leastOfLargest(counts, most) {
  const sizes = new Uint32Array(BINS);
  for (let id = 0; id < counts.length; id++) sizes[binOf(0, counts[id])]++;
  let reached = 0;
  for (let bin = BINS - 1; bin > 0; bin--) {
    reached += sizes[bin];
    if (reached >= most) return lowOf(bin);
  }
  return 1;
}
