// SPDX-License-Identifier: Apache-2.0

// How many of the rows that came the service still has: it holds so many bytes of the newest
// batches (`recent_bytes` of hello). Those are what a reload of the page brings back.

/** What the service counts for a batch beyond its bytes (app/hub.py, ITEM_OVERHEAD_BYTES). */
const OVERHEAD_BYTES = 256;

export class ServiceBuffer {
  #maxBytes = Infinity;
  #batches = []; // {bytes, rows}, a queue from #next on
  #next = 0;
  #bytes = 0;
  /** Rows of the batches that the service holds. */
  rows = 0;

  /** Another connection; to another run of the service, which holds nothing of what came. */
  connected(maxBytes, isSameService) {
    this.#maxBytes = maxBytes ?? Infinity;
    if (isSameService) return;
    this.#batches = [];
    this.#next = 0;
    this.#bytes = 0;
    this.rows = 0;
  }

  /** Whether the service says how much it holds. */
  get isKnown() {
    return this.#maxBytes < Infinity;
  }

  /** A batch that is new to this page. */
  add(bytes, rows) {
    this.#batches.push({ bytes: bytes + OVERHEAD_BYTES, rows });
    this.#bytes += bytes + OVERHEAD_BYTES;
    this.rows += rows;
    while (this.#bytes > this.#maxBytes && this.#next < this.#batches.length - 1) {
      const oldest = this.#batches[this.#next++];
      this.#bytes -= oldest.bytes;
      this.rows -= oldest.rows;
    }
    if (this.#next <= 1024 || this.#next * 2 <= this.#batches.length) return;
    this.#batches.splice(0, this.#next);
    this.#next = 0;
  }
}
