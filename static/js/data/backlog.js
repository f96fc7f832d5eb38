// SPDX-License-Identifier: Apache-2.0

// The queue between the socket and the store. When batches arrive faster than the page can process
// them while staying responsive, they are queued; when the queue is full, the oldest are skipped and
// counted.

/** The part of each period for processing batches; the rest is for drawing and typing. */
const BUDGET_MS = 10;
const MOMENT_MS = 16;
/** Twice the recent events that the service sends at once when a page connects. */
const MAX_BYTES = 128 * 2 ** 20;

export class Backlog {
  #take;
  #skip;
  #maxBytes;
  #clock;
  #waiting = []; // a queue, from #next on
  #next = 0;
  #bytes = 0;
  #isPlanned = false;
  #momentMs = -Infinity;
  #usedMs = 0;

  /**
   * @param {(frame: *) => void} take  @param {(frame: *) => void} skip  called instead of `take`
   * @param {number} maxBytes  in the queue
   * @param {{nowMs: Function, later: Function, isHidden: Function}} clock  `later(callback, ms)`
   *   yields to the browser; a hidden page is not drawn and needs no budget
   */
  constructor(take, skip, maxBytes = MAX_BYTES, clock = BROWSER) {
    this.#take = take;
    this.#skip = skip;
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  /** @param {*} frame  processed in order  @param {number} bytes  its size */
  push(frame, bytes) {
    if (this.#isEmpty && this.#hasTime()) return void this.#timed(() => this.#take(frame));
    this.#waiting.push({ frame, bytes });
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes) this.#skip(this.#shift());
    this.#plan();
  }

  get #isEmpty() {
    return this.#next === this.#waiting.length;
  }

  #drain() {
    this.#isPlanned = false;
    while (!this.#isEmpty && this.#hasTime()) this.#timed(() => this.#take(this.#shift()));
    if (!this.#isEmpty) this.#plan();
  }

  #plan() {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#clock.later(() => this.#drain(), MOMENT_MS);
  }

  #hasTime() {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#momentMs >= MOMENT_MS) {
      this.#momentMs = nowMs;
      this.#usedMs = 0;
    }
    return this.#usedMs < BUDGET_MS || this.#clock.isHidden();
  }

  #timed(act) {
    const startMs = this.#clock.nowMs();
    act();
    this.#usedMs += this.#clock.nowMs() - startMs;
  }

  #shift() {
    const { frame, bytes } = this.#waiting[this.#next];
    this.#waiting[this.#next++] = null;
    this.#bytes -= bytes;
    if (this.#next > 64 && this.#next * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#next);
      this.#next = 0;
    }
    return frame;
  }
}

const BROWSER = {
  nowMs: () => performance.now(),
  later: (callback, ms) => setTimeout(callback, ms),
  isHidden: () => document.hidden,
};
