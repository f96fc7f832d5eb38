// SPDX-License-Identifier: Apache-2.0

// The number of received rows that the service still has: it keeps `recent_bytes` (of hello) of the
// newest batches. A reload of the page restores these.

/** The service's overhead per batch (ITEM_OVERHEAD_BYTES of the hub). */
const OVERHEAD_BYTES = 256;

export class ServiceBuffer {
  #maxBytes = Infinity;
  #batches = []; // {bytes, rows}, a queue from #next on
  #next = 0;
  #bytes = 0;
  /** The number of rows in the batches that the service has. */
  rows = 0;

  /** A new connection; a restarted service has none of the earlier batches. */
  connected(maxBytes, isSameService) {
    this.#maxBytes = maxBytes ?? Infinity;
    if (isSameService) return;
    this.#batches = [];
    this.#next = 0;
    this.#bytes = 0;
    this.rows = 0;
  }

  /** Whether the size of the service's buffer is known. */
  get isKnown() {
    return this.#maxBytes < Infinity;
  }

  /** Add a batch that is new to this page. */
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
