// SPDX-License-Identifier: Apache-2.0

// Whose changes of a probe are news: those that another page, or a curl, made for everyone.

const WORDS = {
  started: (probe) => `started ${probe}`,
  stopped: (probe) => `stopped ${probe}`,
  filter: (probe) => `changed the kernel filter of ${probe}`,
};

export class Changes {
  #seen = new Map(); // probe id -> `at` of the last change that is no news any more
  #open = new Map(); // probe id -> how many calls of this page are under way
  #name = null;

  /** @param {{name: string}} caller  whom the service takes this page for */
  allow({ name }) {
    this.#name = name;
  }

  /** Make a call that changes the probe; the answer is the probe, as in docs/protocol.md. */
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

  /** @param {Probe[]} probes  @returns {string[]} what others did, in words */
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

/** One page has one list of what it did itself. */
export const changes = new Changes();
