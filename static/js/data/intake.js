// SPDX-License-Identifier: Apache-2.0

// What comes from the service, put where it belongs: rows and marks into the store, losses
// and rates into their books. Nothing twice, also when the service tells it again.

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
  #lostAt = null; // when the connection was, in RFC 3339
  #replay = new Replay();
  #rates = new Map();
  #connectedAt = null; // by the service's clock, ns since 1970
  #live = new Set(); // runs of which live rows came on this connection

  /** @param {EventStore} store */
  constructor(store) {
    this.store = store;
    this.losses = new Losses();
    this.watching = new Watching((gap) => store.addGap(gap));
    this.held = new ServiceBuffer();
  }

  /**
   * The first message of a connection; `client` is what the service calls this page, `time` its
   * clock, `recent_bytes` how much of what came it holds.
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

  /** The connection was lost, now. */
  disconnected() {
    this.#lostAt ??= new Date().toISOString();
  }

  /** @param {Probe[]} probes  as in docs/protocol.md, from whatever answer or message */
  probes(probes) {
    for (const probe of probes) {
      this.store.columns.describe(probe.columns);
      // So that there is a table to filter before the first event.
      if (isActive(probe)) this.store.columns.add(probe.columns);
      this.losses.update(probe, this.#client);
    }
    this.watching.probes(probes, new Date().toISOString());
  }

  /** A gap message. */
  gap(message) {
    if (message.where !== UNWATCHED) this.losses.gap(message);
    if (this.#replay.takeGap(message)) this.#addGap(message);
  }

  #addGap(gap) {
    if (gap.where === UNWATCHED) this.watching.gap(gap);
    else this.store.addGap(gap);
  }

  /**
   * A binary frame.
   * @returns {boolean} whether it was new
   * @throws {Error} when it is no batch
   */
  batch(bytes, nowMs) {
    return this.take(decodeBatch(bytes), nowMs, bytes.byteLength);
  }

  /** The same of a batch as `decodeBatch` returns it. */
  take(batch, nowMs, bytes = 0) {
    const { isNew, isAfterHole, gaps } = this.#replay.take(batch);
    if (!isNew) return false;
    this.#addGaps(batch, isAfterHole, gaps);
    this.store.append(batch);
    this.held.add(bytes, batch.rows);
    this.#rate(batch.probe).add(this.#liveRows(batch), nowMs);
    return true;
  }

  /**
   * How many rows of a batch happened since the page is connected: what the service sends of
   * recent events comes all at once, which says nothing about how many happen now.
   */
  #liveRows({ probe, run, rows, columns }) {
    const key = `${probe}\n${run}`;
    if (this.#connectedAt === null || this.#live.has(key)) return rows;
    const times = columns.find(({ type }) => type === "timestamp_ns")?.values;
    if (!times) return rows;
    let live = 0;
    for (let row = 0; row < rows; row++) if (times[row] >= this.#connectedAt) live++;
    // From here on all are, also when the clock is put back.
    if (live > 0) this.#live.add(key);
    return live;
  }

  /** A batch for which the page has no time: its place is marked and its rows count as lost. */
  skip(batch) {
    const { isNew, isAfterHole, gaps } = this.#replay.take(batch);
    if (!isNew) return;
    this.#addGaps(batch, isAfterHole, gaps);
    const gap = { probe: batch.probe, where: "page", rows: batch.rows };
    this.losses.gap(gap);
    this.store.addGap(gap);
  }

  /** Forget events and start counting again. @returns {() => void} what takes that back */
  clear() {
    const restoreRows = this.store.clear();
    const restoreLosses = this.losses.clear();
    return () => {
      restoreRows();
      restoreLosses();
    };
  }

  /** Events per second of a probe that reached this page. */
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
