// SPDX-License-Identifier: Apache-2.0

// What was lost, by probe and place. The service's ledger (`counters` of a probe, this
// client's own for what it was too slow to take) is the truth; gap messages come earlier,
// so the larger of the two is shown.

export const PLACES = ["kernel", "pipe", "client", "page"];

/** What each place is called towards people. */
export const PLACE_WORDS = {
  kernel: "in the kernel",
  pipe: "between the tracer and the service",
  client: "on the way to this page",
  page: "because this page could not keep up",
  reconnect: "while the connection was lost",
};

export class Losses {
  #runs = new Map();
  #clock;
  #told = 0;
  #known = new Set(); // runs whose counters were told before

  /** @param {() => number} clock  milliseconds since 1970 */
  constructor(clock = Date.now) {
    this.#clock = clock;
    /** When something was lost last, as far as this page knows; null where it does not. */
    this.lastAt = null;
  }

  /** A state message or an entry of hello: `probe` as in docs/protocol.md. */
  update(probe, client) {
    const run = this.#run(probe.id, probe.started_at ?? null);
    const own = probe.clients?.find((entry) => entry.client === client)?.counters;
    run.reported.kernel = probe.counters.dropped_kernel;
    run.reported.pipe = probe.counters.dropped_pipe;
    run.reported.client = own?.dropped_client ?? run.reported.client;
    // What was lost before the page first heard of a run was lost at some time before.
    const isFirst = !this.#known.has(run);
    this.#known.add(run);
    this.#note(isFirst ? null : this.#clock());
  }

  /**
   * A gap message. Where the place is not known, it still counts: as the client's; but what
   * nobody could count (`rows` is null) is no number of anything.
   * @param {Gap} gap
   */
  gap({ probe, where, rows, to }) {
    if (rows === null) return;
    const run = this.#run(probe);
    run.seen[PLACES.includes(where) ? where : "client"] += rows ?? 0;
    const at = to ? Date.parse(to) : this.#clock();
    // Its counters may have been told before, without a time.
    if (rows > 0) this.lastAt = Math.max(this.lastAt ?? at, at);
    this.#told = this.total;
  }

  /** All rows that were lost. */
  get total() {
    return this.list().reduce((sum, { rows }) => sum + rows, 0);
  }

  #note(at) {
    const { total } = this;
    if (total > this.#told && at !== null) this.lastAt = at;
    this.#told = total;
  }

  /** Start counting again. @returns {() => void} what takes that back */
  clear() {
    const cleared = [];
    for (const run of this.#runs.values()) {
      for (const where of PLACES) {
        const past = -Math.max(run.reported[where], run.seen[where]);
        cleared.push({ run, where, rows: run.past[where] - past });
        run.past[where] = past;
      }
    }
    this.#told = this.total;
    return () => {
      for (const { run, where, rows } of cleared) run.past[where] += rows;
      this.#told = this.total;
    };
  }

  /** The connection was opened again: gaps may be told a second time. */
  connected() {
    for (const run of this.#runs.values()) {
      run.past.client += Math.max(run.reported.client, run.seen.client);
      run.past.page += run.seen.page;
      run.reported.client = 0; // the new connection is another client, with a ledger of its own
      run.seen = zeros();
    }
  }

  /** @returns {{probe: string, where: string, rows: number}[]} only what is not zero */
  list() {
    const found = [];
    for (const [probe, run] of this.#runs) {
      for (const where of PLACES) {
        const rows = run.past[where] + Math.max(run.reported[where], run.seen[where]);
        if (rows > 0) found.push({ probe, where, rows });
      }
    }
    return found;
  }

  /** How many rows of a probe were lost, wherever. */
  of(probe) {
    return this.list().reduce((sum, loss) => sum + (loss.probe === probe ? loss.rows : 0), 0);
  }

  /** Counters begin again with each start; what earlier runs lost stays counted. */
  #run(probe, startedAt) {
    let run = this.#runs.get(probe);
    if (!run) {
      run = { startedAt, past: zeros(), reported: zeros(), seen: zeros() };
      this.#runs.set(probe, run);
    }
    if (startedAt && run.startedAt && startedAt !== run.startedAt) {
      for (const where of PLACES) run.past[where] += Math.max(run.reported[where], run.seen[where]);
      run.reported = zeros();
      run.seen = zeros();
    }
    if (startedAt) run.startedAt = startedAt;
    return run;
  }
}

function zeros() {
  return { kernel: 0, pipe: 0, client: 0, page: 0 };
}
