// SPDX-License-Identifier: Apache-2.0

// Takes what the service sends: rows and gaps into the store, losses and rates into their counters.
// What the service replays is taken once.

import { isActive } from "../probes/choice.js";
import { decodeBatch } from "./decode.js";
import { Losses } from "./losses.js";
import { Rate } from "./rate.js";
import { Replay } from "./replay.js";
import { ServiceBuffer } from "./service_buffer.js";
import { Watching } from "./watching.js";

const UNWATCHED = "unwatched";

/** @import { EventStore } from "./store.js" */

export class Intake {
  #client = null;
  #service = null;
  #lostAt = null; // when the connection was lost, in RFC 3339
  #replay = new Replay();
  #rates = new Map();
  #counts = new Map(); // probe -> totals of what it counted last
  #connectedAt = null; // by the service's clock, ns since 1970
  #live = new Set(); // runs with live rows on this connection

  /** @param {EventStore} store */
  constructor(store) {
    this.store = store;
    this.losses = new Losses();
    this.watching = new Watching((gap) => store.addGap(gap));
    this.held = new ServiceBuffer();
  }

  /**
   * Handle the first message of a connection; `client` is the service's id for this page, `time` its
   * clock, `recent_bytes` the size of its buffer of recent events.
   */
  hello({ client, service, time, recent_bytes }) {
    const isSame = this.#service === service;
    if (this.#service !== null && !isSame)
      this.watching.serviceRestarted(this.#lostAt ?? new Date().toISOString());
    this.held.connected(recent_bytes, isSame);
    this.#service = service;
    this.#client = client;
    this.#lostAt = null;
    this.#connectedAt = time ? BigInt(Date.parse(time)) * 1_000_000n : null;
    this.#live.clear();
    this.#replay.connected();
    this.losses.connected();
  }

  /** The connection was lost just now. */
  disconnected() {
    this.#lostAt ??= new Date().toISOString();
  }

  /** @param {Probe[]} probes  as in docs/protocol.md, from any answer or message */
  probes(probes) {
    for (const probe of probes) {
      if (!probe.aggregate) this.#describe(probe); // else it has no row in the table
      this.losses.update(probe, this.#client);
    }
    this.watching.probes(probes, new Date().toISOString());
  }

  #describe(probe) {
    this.store.columns.describe(probe.columns, probe.id, probe.names);
    // Show the columns before the first event.
    if (isActive(probe)) this.store.columns.add(probe.columns, probe.id);
  }

  /** The service has forgotten a probe; its rows stay. */
  forget(id) {
    this.#counts.delete(id);
    this.store.columns.forget(id, (key) => this.store.has(key));
    this.watching.forget(id, new Date().toISOString());
  }

  /** Handle a gap message. */
  gap(message) {
    if (message.where !== UNWATCHED) this.losses.gap(message);
    if (this.#replay.takeGap(message)) this.#addGap(message);
  }

  #addGap(gap) {
    if (gap.where === UNWATCHED) this.watching.gap(gap);
    else this.store.addGap(gap);
  }

  /**
   * Handle a binary frame.
   * @returns {boolean} whether the batch was new
   * @throws {Error} if it is not a batch
   */
  batch(bytes, nowMs) {
    return this.take(decodeBatch(bytes), nowMs, bytes.byteLength);
  }

  /** The same for a decoded batch. */
  take(batch, nowMs, bytes = 0) {
    if (batch.counts) {
      this.#counts.set(batch.probe, batch.counts);
      return false;
    }
    const { isNew, isAfterHole, gaps } = this.#replay.take(batch);
    if (!isNew) return false;
    this.#addGaps(batch, isAfterHole, gaps);
    this.store.append(batch);
    this.held.add(bytes, batch.rows);
    this.#rate(batch.probe).add(this.#liveRows(batch), nowMs);
    return true;
  }

  /**
   * Return the number of a batch's rows since the page connected. The recent events that the service
   * sends at once must not count as the current rate.
   */
  #liveRows({ probe, run, rows, columns }) {
    const key = `${probe}\n${run}`;
    if (this.#connectedAt === null || this.#live.has(key)) return rows;
    const times = columns.find(({ type }) => type === "timestamp_ns")?.values;
    if (!times) return rows;
    let live = 0;
    for (let row = 0; row < rows; row++) if (times[row] >= this.#connectedAt) live++;
    // All later rows of the run are live, even if the clock is set back.
    if (live > 0) this.#live.add(key);
    return live;
  }

  /** Skip a batch that the page has no time for: it becomes a gap and its rows count as lost. */
  skip(batch) {
    if (batch.counts) return void this.#counts.set(batch.probe, batch.counts);
    const { isNew, isAfterHole, gaps } = this.#replay.take(batch);
    if (!isNew) return;
    this.#addGaps(batch, isAfterHole, gaps);
    const gap = { probe: batch.probe, where: "page", rows: batch.rows };
    this.losses.gap(gap);
    this.store.addGap(gap);
  }

  /** Clear events and reset the counts. @returns {() => void} restores both */
  clear() {
    const restoreRows = this.store.clear();
    const restoreLosses = this.losses.clear();
    return () => {
      restoreRows();
      restoreLosses();
    };
  }

  /** Return the totals of what a probe counted (docs/aggregates.md), null if nothing yet. */
  counts(probe) {
    return this.#counts.get(probe) ?? null;
  }

  /** Return the events per second of a probe that reach this page. */
  perSecond(probe, nowMs) {
    return this.#rate(probe).perSecond(nowMs);
  }

  #addGaps({ probe }, isAfterHole, gaps) {
    for (const gap of gaps) this.#addGap(gap);
    if (isAfterHole) this.store.addGap({ probe, where: "reconnect", rows: null });
  }

  #rate(probe) {
    if (!this.#rates.has(probe)) this.#rates.set(probe, new Rate());
    return this.#rates.get(probe);
  }
}
