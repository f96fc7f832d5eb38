// SPDX-License-Identifier: Apache-2.0

// User names by uid and uids by name, from the service (docs/protocol.md, `GET /users`). They are
// requested in batches, when a uid is first shown or a name first typed, and cached for good.

import { CallError } from "./problem.js";

const COLLECT_MS = 50;
const MAX_AT_ONCE = 100;
const RETRY_MS = 30_000;
const MAX_WANTED = 10_000;
const NUMBER = /^[+\-−]?[\d,.]*$/; // never asked for; `4chan` is a name

export class Users {
  #ask;
  #onChange;
  #later;
  #nowMs;
  #names = new Map(); // uid -> name, null for none
  #numbers = new Map(); // name -> uid, null for none
  #wanted = { uids: new Set(), names: new Set() };
  #isWaiting = false;
  #retryAtMs = 0;

  /**
   * @param {(uids: number[], names: string[]) => Promise<{uid: number, name: string,
   *   aliases: string[]}[]>} ask
   *   may throw CallError: uids are shown until the next attempt
   * @param {() => void} onChange  called when names or uids become known
   * @param {{later?: Function, nowMs?: () => number}} clock  `later(callback, ms)`
   */
  constructor(ask, onChange, { later = setTimeout, nowMs = () => performance.now() } = {}) {
    this.#ask = ask;
    this.#onChange = onChange;
    this.#later = (callback, ms) => later(callback, ms);
    this.#nowMs = nowMs;
  }

  /** 1000 -> "alice"; undefined while the name is unknown or if the user does not exist. */
  nameOf(uid) {
    const name = this.#names.get(uid);
    if (name === undefined) this.#want("uids", uid);
    return name ?? undefined;
  }

  /** "alice" -> 1000, by any name of the user, else ignoring case; undefined as above. */
  numberOf(name) {
    const uid = this.#numbers.get(name) ?? this.#anyCase(name);
    if (uid === undefined && !NUMBER.test(name)) this.#want("names", name);
    return uid ?? undefined;
  }

  #anyCase(name) {
    const lower = name.toLowerCase();
    for (const [known, uid] of this.#numbers) {
      if (uid !== null && known.toLowerCase() === lower) return uid;
    }
    return this.#numbers.get(name);
  }

  #want(kind, value) {
    const wanted = this.#wanted[kind];
    if (wanted.size < MAX_WANTED) wanted.add(value);
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#later(() => this.#fetch(), Math.max(COLLECT_MS, this.#retryAtMs - this.#nowMs()));
  }

  async #fetch() {
    const uids = [...this.#wanted.uids].slice(0, MAX_AT_ONCE);
    const names = [...this.#wanted.names].slice(0, MAX_AT_ONCE);
    try {
      this.#take(await this.#ask(uids, names), uids, names);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      // Uids are shown until then; other parts of the page report an unreachable service.
      this.#retryAtMs = this.#nowMs() + RETRY_MS;
    } finally {
      this.#isWaiting = false;
    }
    const [next] = [...this.#wanted.uids, ...this.#wanted.names];
    if (next !== undefined) this.#want(typeof next === "number" ? "uids" : "names", next);
  }

  #take(users, uids, names) {
    for (const uid of uids) this.#names.set(uid, null);
    for (const name of names) this.#numbers.set(name, null);
    for (const { uid, name, aliases } of users) {
      this.#names.set(uid, name);
      for (const known of [name, ...aliases]) this.#numbers.set(known, uid);
    }
    for (const uid of uids) this.#wanted.uids.delete(uid);
    for (const name of names) this.#wanted.names.delete(name);
    if (users.length > 0) this.#onChange();
  }
}
