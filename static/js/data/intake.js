// SPDX-License-Identifier: Apache-2.0

// What comes from the service, put where it belongs: rows and marks into the store, losses
// and rates into their books. Nothing twice, also when the service tells it again.

import { isActive } from "../probes/choice.js";
import { decodeBatch } from "./decode.js";
import { Losses } from "./losses.js";
import { Rate } from "./rate.js";
import { Replay } from "./replay.js";

/** @import { EventStore } from "./store.js" */

export class Intake {
  #client = null;
  #service = null;
  #active = new Set(); // probes that may have events we have not got
  #replay = new Replay();
  #rates = new Map();

  /** @param {EventStore} store */
  constructor(store) {
    this.store = store;
    this.losses = new Losses();
  }

  /** The first message of a connection; `client` is what the service calls this page. */
  hello({ client, service }) {
    if (this.#service !== null && this.#service !== service) this.#markRestart();
    this.#service = service;
    this.#client = client;
    this.#replay.connected();
    this.losses.connected();
  }

  /** @param {any[]} probes  as in docs/protocol.md, from whatever answer or message */
  probes(probes) {
    for (const probe of probes) {
      this.store.columns.describe(probe.columns);
      // So that there is a table to filter before the first event.
      if (isActive(probe)) {
        this.store.columns.add(probe.columns);
        this.#active.add(probe.id);
      } else this.#active.delete(probe.id);
      this.losses.update(probe, this.#client);
    }
  }

  /** A gap message. */
  gap(message) {
    this.losses.gap(message);
    if (this.#replay.takeGap(message)) this.store.mark(message);
  }

  /**
   * A binary frame.
   * @returns {boolean} whether it was new
   * @throws {Error} when it is no batch
   */
  batch(bytes, nowMs) {
    return this.take(decodeBatch(bytes), nowMs);
  }

  /** The same of a batch as `decodeBatch` returns it. */
  take(batch, nowMs) {
    const { isNew, isAfterHole, gaps } = this.#replay.take(batch);
    if (!isNew) return false;
    this.#mark(batch, isAfterHole, gaps);
    this.store.append(batch);
    this.#rate(batch.probe).add(batch.rows, nowMs);
    return true;
  }

  /** A batch for which the page has no time: its place is marked and its rows count as lost. */
  skip(batch) {
    const { isNew, isAfterHole, gaps } = this.#replay.take(batch);
    if (!isNew) return;
    this.#mark(batch, isAfterHole, gaps);
    const gap = { probe: batch.probe, where: "page", rows: batch.rows };
    this.losses.gap(gap);
    this.store.mark(gap);
  }

  /** Forget events and start counting again. */
  clear() {
    this.store.clear();
    this.losses.clear();
  }

  /** Events per second of a probe that reached this page. */
  perSecond(probe, nowMs) {
    return this.#rate(probe).perSecond(nowMs);
  }

  /** Of what the earlier service had and we had not got, nobody knows anything any more. */
  #markRestart() {
    for (const probe of this.#active) this.store.mark({ probe, where: "restart", rows: null });
    this.#active.clear();
  }

  #mark({ probe }, isAfterHole, gaps) {
    for (const gap of gaps) this.store.mark(gap);
    if (isAfterHole) this.store.mark({ probe, where: "reconnect", rows: null });
  }

  #rate(probe) {
    if (!this.#rates.has(probe)) this.#rates.set(probe, new Rate());
    return this.#rates.get(probe);
  }
}
