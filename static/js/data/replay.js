// SPDX-License-Identifier: Apache-2.0

// Tells which batches and gaps are new. After a reconnect the server replays its recent batches;
// within a run (one start of a probe) they are numbered consecutively from 0.

const MAX_RUNS = 256;

export class Replay {
  #newest = new Map(); // probe and run -> the newest batch received
  #resumed = new Set(); // runs without a batch since the reconnect
  #held = new Map(); // probe -> gaps not yet known to be new

  /** The connection was opened or reopened. */
  connected() {
    this.#resumed = new Set(this.#newest.keys());
    this.#held = new Map([...this.#resumed].map((key) => [key.split("\n")[0], []]));
  }

  /**
   * @param {{probe: string, run: string, batch: number}} batch
   * @returns {{isNew: boolean, isAfterHole: boolean, gaps: object[]}} `isAfterHole`: the server no
   *   longer has the batches between the last one before the reconnect and this one; `gaps`:
   *   deferred gaps that belong before this batch
   */
  take({ probe, run, batch }) {
    const key = `${probe}\n${run}`;
    const newest = this.#newest.get(key);
    const isNew = newest === undefined || batch > newest;
    const isAfterHole = this.#resumed.delete(key) && batch > newest + 1;
    if (!isNew) {
      if (this.#held.has(probe)) this.#held.set(probe, []);
      return { isNew, isAfterHole, gaps: [] };
    }
    const gaps = this.#held.get(probe) ?? [];
    this.#held.delete(probe);
    this.#remember(key, batch);
    return { isNew, isAfterHole, gaps };
  }

  /** @returns {boolean} whether to add the gap now; otherwise `take` returns it if it is new */
  takeGap(gap) {
    const held = this.#held.get(gap.probe);
    held?.push(gap);
    return held === undefined;
  }

  #remember(key, batch) {
    this.#newest.set(key, batch);
    if (this.#newest.size > MAX_RUNS) this.#newest.delete(this.#newest.keys().next().value);
  }
}
