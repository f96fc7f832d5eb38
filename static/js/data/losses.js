// SPDX-License-Identifier: Apache-2.0

// Lost rows, by probe and place. The service's ledger (`counters` of a probe, and this client's own
// for rows it was too slow to take) is authoritative; gap messages arrive earlier, so the larger of
// the two is shown.

export const PLACES = ["kernel", "pipe", "client", "page"];

/** The places as text. */
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
  #known = new Set(); // runs whose counters have been received

  /** @param {() => number} clock  milliseconds since 1970 */
  constructor(clock = Date.now) {
    this.#clock = clock;
    /** The time of the last known loss; null if unknown. */
    this.lastAt = null;
  }

  /** Handle a state message or an entry of hello: `probe` as in docs/protocol.md. */
  update(probe, client) {
    const run = this.#run(probe.id, probe.started_at ?? null);
    const own = probe.clients?.find((entry) => entry.client === client)?.counters;
    run.reported.kernel = probe.counters.dropped_kernel;
    run.reported.pipe = probe.counters.dropped_pipe;
    run.reported.client = own?.dropped_client ?? run.reported.client;
    // Losses before the page first heard of a run happened at an unknown time.
    const isFirst = !this.#known.has(run);
    this.#known.add(run);
    this.#note(isFirst ? null : this.#clock());
  }

  /**
   * Handle a gap message. A gap of an unknown place counts as the client's; one of unknown size
   * (`rows` is null) is not counted.
   * @param {Gap} gap
   */
  gap({ probe, where, rows, to }) {
    if (rows === null) return;
    const run = this.#run(probe);
    run.seen[PLACES.includes(where) ? where : "client"] += rows ?? 0;
    const at = to ? Date.parse(to) : this.#clock();
    // The counters may have been received before, without a time.
    if (rows > 0) this.lastAt = Math.max(this.lastAt ?? at, at);
    this.#told = this.total;
  }

  /** The number of lost rows. */
  get total() {
    return this.list().reduce((sum, { rows }) => sum + rows, 0);
  }

  #note(at) {
    const { total } = this;
    if (total > this.#told && at !== null) this.lastAt = at;
    this.#told = total;
  }

  /** Reset the counts. @returns {() => void} restores them */
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

  /** The connection was reopened: gaps may be replayed. */
  connected() {
    for (const run of this.#runs.values()) {
      run.past.client += Math.max(run.reported.client, run.seen.client);
      run.past.page += run.seen.page;
      run.reported.client = 0; // the new connection is a new client, with its own ledger
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

  /** Return the number of lost rows of a probe, in all places. */
  of(probe) {
    return this.list().reduce((sum, loss) => sum + (loss.probe === probe ? loss.rows : 0), 0);
  }

  /** Return a probe's run. Counters restart with each run; losses of earlier runs stay counted. */
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
