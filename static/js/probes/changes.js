// SPDX-License-Identifier: Apache-2.0

// Which changes of a probe are news: those made by another page or API client.

const WORDS = {
  started: (probe) => `started ${probe}`,
  stopped: (probe) => `stopped ${probe}`,
  columns: (probe) => `changed the columns of ${probe}`,
  filter: (probe) => `changed the kernel filter of ${probe}`,
};

export class Changes {
  #seen = new Map(); // probe id -> `at` of the last change already reported
  #open = new Map(); // probe id -> number of this page's calls in progress
  #name = null;

  /** @param {{name: string}} caller  who is signed in */
  allow({ name }) {
    this.#name = name;
  }

  /** Make a call that changes a probe; the answer is the probe, as in docs/protocol.md. */
  async during(id, call) {
    this.#open.set(id, (this.#open.get(id) ?? 0) + 1);
    try {
      const probe = await call();
      if (probe.changed_by) this.#see(id, probe.changed_by.at);
      return probe;
    } finally {
      this.#open.set(id, this.#open.get(id) - 1);
    }
  }

  /** @param {Probe[]} probes  @returns {string[]} what other clients did, as text */
  news(probes) {
    const found = [];
    for (const { id, changed_by: change } of probes) {
      const isFirst = !this.#seen.has(id);
      if (isFirst && !change) this.#seen.set(id, "");
      if (!change || change.at <= (this.#seen.get(id) ?? "")) continue;
      const isOwn = this.#open.get(id) > 0 && change.who === this.#name;
      this.#see(id, change.at);
      const words = WORDS[change.what];
      if (!isFirst && !isOwn && words) found.push(`${change.who} ${words(id)} for everyone.`);
    }
    return found;
  }

  #see(id, at) {
    if (at > (this.#seen.get(id) ?? "")) this.#seen.set(id, at);
  }
}

/** The changes seen by this page. */
export const changes = new Changes();
