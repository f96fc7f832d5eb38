// SPDX-License-Identifier: Apache-2.0

// What is being watched, and when and why it was not: from the states of the probes, and from
// restarts of the service. A time without a program is a gap row of the table. The service reports
// it (`unwatched` gaps) and the states imply it: whichever arrives first adds the row, once.

/** The number of such gaps remembered per probe. */
const MAX_GAPS = 100;
/** Tolerance between the two clocks that report the end of a run. */
const SAME_MS = 2_000;

/** `ended.code` of a probe that the service stopped because it stops itself. */
const SERVICE_STOPPED = "stopping";
const RESTARTED = "the service was restarted";

/** Whether this probe can send rows. */
export function isWatching({ state, blind }) {
  return state === "running" && !blind;
}

export class Watching {
  #addToTable;
  #known = new Map(); // id -> the probe's latest state
  #gaps = new Map(); // id -> gaps, oldest first
  #incidents = new Map();

  /** @param {(gap: Gap) => Gap} addToTable  adds a gap row and returns it */
  constructor(addToTable) {
    this.#addToTable = addToTable;
  }

  /** Whether any probe is watching. */
  get isOn() {
    return [...this.#known.values()].some(isWatching);
  }

  /**
   * The probes that should be watching and are not.
   * @returns {{probe: Probe, since: string, cause: string, hint: string, restartAt: ?string,
   *   kind: "failed"|"blind"|"service"}[]} `since` in RFC 3339
   */
  get incidents() {
    return [...this.#incidents.values()];
  }

  /** @param {Probe[]} probes  as in docs/protocol.md  @param {string} now  RFC 3339 */
  probes(probes, now) {
    for (const probe of probes) {
      const before = this.#known.get(probe.id);
      this.#known.set(probe.id, probe);
      this.#follow(probe, before, now);
    }
  }

  /**
   * The service does not know a probe any more. @param {string} id  @param {string} now
   * One that a restart of the service has ended should still be watching.
   */
  forget(id, now) {
    this.#known.delete(id);
    if (this.#incidents.get(id)?.kind === "service") return;
    this.#close(id, now, now);
    this.#gaps.delete(id);
  }

  /**
   * The service was restarted: no probe has been watching since the connection was lost.
   * @param {string} since  @returns {boolean} whether any probe was watching
   */
  serviceRestarted(since) {
    let wasOn = false;
    for (const [id, probe] of this.#known) {
      if (isWatching(probe)) {
        wasOn = true;
        this.#open(serviceIncident(probe, since, RESTARTED), true);
      }
      this.#known.set(id, { ...probe, state: "stopped" });
    }
    for (const incident of this.#incidents.values()) {
      if (incident.kind === "service") incident.cause = RESTARTED;
      incident.kind = "service";
    }
    return wasOn;
  }

  /** Handle a gap message about a time without a program. */
  gap({ probe, from, to }) {
    const told = this.#gapOf(probe, from, to);
    if (!told) return void this.#add(probe, { probe, where: "unwatched", rows: null, from, to });
    told.from = from ?? told.from;
    told.to = to ?? told.to;
  }

  #follow(probe, before, now) {
    const open = this.#incidents.get(probe.id);
    if (isWatching(probe)) return void this.#close(probe.id, probe.started_at, now);
    const wasOn = before !== undefined && isWatching(before);
    if (probe.state === "running") {
      const { since, reason, hint } = probe.blind;
      this.#open(
        { probe, since, cause: reason, hint: hint ?? "", restartAt: null, kind: "blind" },
        wasOn,
      );
    } else if (probe.state === "failed") {
      if (before && !wasOn && !open) return; // it was never watching: the start has reported the error
      const { at, detail, code, restart_at } = probe.ended ?? {};
      const incident = {
        probe,
        since: open?.since ?? at ?? now,
        cause: detail || code || "its tracer failed",
        hint: "",
        restartAt: restart_at ?? null,
        kind: "failed",
      };
      this.#open(incident, wasOn);
    } else if (probe.state === "stopped" && probe.ended?.code === SERVICE_STOPPED) {
      const wasOnUntilNow = wasOn || before?.state === "stopping";
      if (!wasOnUntilNow && !open) return;
      const since = open?.since ?? probe.ended.at;
      this.#open(serviceIncident(probe, since, probe.ended.detail), wasOnUntilNow && !open);
    } else if (probe.state === "stopped" && (probe.ended || open?.kind !== "service")) {
      this.#close(probe.id, probe.ended?.at ?? now, now); // stopped on request
    }
  }

  #open(incident, isGap) {
    const { probe, since } = incident;
    this.#incidents.set(probe.id, incident);
    if (!isGap || this.#gapOf(probe.id, since, null)) return;
    this.#add(probe.id, {
      probe: probe.id,
      where: "unwatched",
      rows: null,
      from: since,
      to: null,
    });
  }

  /** @param {?string} at  the time from which it is watching again */
  #close(id, at, now) {
    const incident = this.#incidents.get(id);
    this.#incidents.delete(id);
    const last = this.#gaps.get(id)?.at(-1);
    if (incident && last && last.to === null)
      last.to = at && time(at) >= time(incident.since) ? at : now;
  }

  /** Return the gap that overlaps or touches this time range. */
  #gapOf(id, from, to) {
    const start = from === null ? -Infinity : time(from) - SAME_MS;
    const end = to === null ? Infinity : time(to) + SAME_MS;
    return this.#gaps
      .get(id)
      ?.find(
        (gap) =>
          (gap.from === null || time(gap.from) <= end) &&
          (gap.to === null || time(gap.to) >= start),
      );
  }

  #add(id, gap) {
    if (!this.#gaps.has(id)) this.#gaps.set(id, []);
    const gaps = this.#gaps.get(id);
    gaps.push(this.#addToTable(gap));
    if (gaps.length > MAX_GAPS) gaps.shift();
  }
}

function serviceIncident(probe, since, cause) {
  return { probe, since, cause, hint: "", restartAt: null, kind: "service" };
}

function time(rfc3339) {
  return Date.parse(rfc3339);
}
