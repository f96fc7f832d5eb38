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

/** Runs of a probe that are told apart; of older ones only the sum is kept. */
const MAX_RUNS = 100;

export class Losses {
  #runs = new Map(); // id -> the probe's runs, oldest first; the first stands for all before
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
    const run = this.#startedAt(probe.id, probe.started_at ?? null);
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
   *
   * The service may send gaps of earlier runs at any time, as it sends the recent batches after it
   * has told the latest run's counters. A gap belongs to the run in which it ended.
   * @param {Gap} gap
   */
  gap({ probe, where, rows, to }) {
    if (rows === null) return;
    const run = this.#runAt(probe, to ? Date.parse(to) : Infinity);
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
    for (const runs of this.#runs.values()) {
      for (const run of runs) {
        for (const where of PLACES) {
          const rows = lost(run, where) - run.cleared[where];
          cleared.push({ run, where, rows });
          run.cleared[where] += rows;
        }
      }
    }
    this.#told = this.total;
    return () => {
      for (const { run, where, rows } of cleared) run.cleared[where] -= rows;
      this.#told = this.total;
    };
  }

  /** The connection was reopened: gaps may be replayed. */
  connected() {
    for (const runs of this.#runs.values()) {
      for (const run of runs) {
        // The new connection is a new client, with its own ledger, and no gap of the page's own is
        // replayed.
        for (const where of ["client", "page"]) {
          run.past[where] += Math.max(run.reported[where], run.seen[where]);
          run.reported[where] = 0;
        }
        for (const where of ["kernel", "pipe"])
          run.before[where] = Math.max(run.before[where], run.seen[where]);
        run.seen = zeros();
      }
    }
  }

  /** @returns {{probe: string, where: string, rows: number}[]} only what is not zero */
  list() {
    const found = [];
    for (const [probe, runs] of this.#runs) {
      for (const where of PLACES) {
        const rows = runs.reduce((sum, run) => sum + lost(run, where) - run.cleared[where], 0);
        if (rows > 0) found.push({ probe, where, rows });
      }
    }
    return found;
  }

  /** Return the number of lost rows of a probe, in all places. */
  of(probe) {
    return this.list().reduce((sum, loss) => sum + (loss.probe === probe ? loss.rows : 0), 0);
  }

  /** Return a probe's run that started then. Counters restart with each run. */
  #startedAt(probe, startedAt) {
    const runs = this.#runsOf(probe);
    const at = startedAt === null ? -Infinity : Date.parse(startedAt);
    const run = runs.find((it) => it.at === at);
    if (run) return run;
    const added = runFrom(at);
    runs.push(added);
    if (runs.length > MAX_RUNS) runs.splice(0, 2, joined(runs[0], runs[1]));
    return added;
  }

  /** Return the latest run that had started by then. */
  #runAt(probe, at) {
    return this.#runsOf(probe).findLast((run) => run.at <= at);
  }

  #runsOf(probe) {
    if (!this.#runs.has(probe)) this.#runs.set(probe, [runFrom(-Infinity)]);
    return this.#runs.get(probe);
  }
}

/**
 * Return an empty account of a run. `reported` are the service's counters, `seen` is the sum of its
 * gaps on this connection, `before` the largest such sum of an earlier one, and `past` what earlier
 * connections missed by themselves; of all these, `cleared` is not shown any more.
 */
function runFrom(at) {
  return {
    at,
    reported: zeros(),
    seen: zeros(),
    before: zeros(),
    past: zeros(),
    cleared: zeros(),
  };
}

function lost(run, where) {
  return run.past[where] + Math.max(run.reported[where], run.seen[where], run.before[where]);
}

/** Return one account of two runs, in place of the earlier. Their gaps may still be replayed. */
function joined(earlier, later) {
  for (const where of PLACES) {
    earlier.before[where] = lost(earlier, where) + lost(later, where);
    earlier.past[where] = 0;
    earlier.seen[where] += later.seen[where];
    earlier.cleared[where] += later.cleared[where];
  }
  return earlier;
}

function zeros() {
  return { kernel: 0, pipe: 0, client: 0, page: 0 };
}
