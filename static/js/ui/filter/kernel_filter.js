// SPDX-License-Identifier: Apache-2.0

// The kernel filters of the running probes: their tests as removable chips, and adding to them.

import { kernelTests, planMove, withoutMember } from "../../filter/kernel.js";
import { changeFilter, changeWhere } from "../../net/api.js";
import { CallError } from "../../net/problem.js";
import { changes as ownChanges } from "../../probes/changes.js";

/** @import { ColumnNames } from "../../filter/column_names.js" */
/** @import { Notices } from "../page/notices.js" */

export class KernelFilter {
  #look;
  #notices;
  #onAnswer;
  #running = [];

  /**
   * @param {(column: any) => Look} look  as `presentation`
   * @param {Notices} notices  where errors are shown
   * @param {(probes: Probe[]) => void} onAnswer  called with the answer to a change
   */
  constructor(look, notices, onAnswer) {
    this.#look = look;
    this.#notices = notices;
    this.#onAnswer = onAnswer;
    this.isMoving = false;
    /** Whether the user may change kernel filters. */
    this.mayChange = true;
  }

  /** @param {Probe[]} probes  all of them, as in docs/protocol.md */
  probes(probes) {
    this.#running = probes.filter(({ state }) => state === "running");
  }

  /** @param {CompiledFilter} filter  compiled  @param {ColumnNames} names  @returns as `planMove` */
  plan(filter, names) {
    if (!this.mayChange) return { patches: new Map(), moved: [], stay: [] };
    return planMove(filter, this.#running, names, this.#look);
  }

  /** @returns {object[]} the kernel's current tests, for `FilterLine` */
  chips() {
    const isForAll = ({ probes }) => probes.length > 1 && probes.length === this.#running.length;
    const wheres = this.#running
      .filter(({ where }) => where)
      .map((probe) => this.#whereChip(probe));
    const tests = kernelTests(this.#running).map((test) => ({
      text: test.text,
      place: "kernel",
      where: isForAll(test)
        ? "in the kernel for everyone"
        : `in the kernel for everyone on ${test.probes.join(", ")}`,
      title: `For ${test.probes.join(", ")}`,
      remove:
        this.mayChange &&
        (() => this.#change(test.probes.map((id) => [id, withoutMember(test.member)]))),
    }));
    return [...tests, ...wheres];
  }

  /** Return the chip of the filter that a probe was started with. */
  #whereChip({ id, where, where_in_service: rest }) {
    const place = rest ? "partly in the kernel" : "in the kernel";
    return {
      text: where,
      place: "kernel",
      where: `${place} for everyone on ${id}`,
      title: rest ? `For ${id}; the kernel does not test ${rest}, this page does` : `For ${id}`,
      remove: this.mayChange && (() => this.#removeWhere(id)),
    };
  }

  async #removeWhere(id) {
    this.#notices.clear();
    await this.#call(id, () => changeWhere(id, null));
  }

  /**
   * Change the probes' filters as planned.
   * @returns {Promise<boolean>} whether every change succeeded; errors are shown as notices
   */
  async move({ patches }) {
    this.isMoving = true;
    try {
      return await this.#change([...patches]);
    } finally {
      this.isMoving = false;
    }
  }

  async #change(changes) {
    this.#notices.clear();
    const done = await Promise.all(changes.map(([id, filter]) => this.#patch(id, filter)));
    return done.every(Boolean);
  }

  #patch(id, filter) {
    return this.#call(id, () => changeFilter(id, filter));
  }

  /** @param {string} id  @param {() => Promise<Probe>} change */
  async #call(id, change) {
    try {
      this.#onAnswer([await ownChanges.during(id, change)]);
      return true;
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#notices.add(`The filter of ${id} was not changed`, error);
      return false;
    }
  }
}
