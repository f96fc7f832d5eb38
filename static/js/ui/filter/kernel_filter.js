// SPDX-License-Identifier: Apache-2.0

// The kernel filters of the running probes: their tests as removable chips, and adding to them.

import { kernelTests, leftWords, planMove, testsOf, withoutMember } from "../../filter/kernel.js";
import { changeFilter, changeWhere } from "../../net/api.js";
import { CallError } from "../../net/problem.js";
import { changes as ownChanges } from "../../probes/changes.js";

/** @import { ColumnNames } from "../../filter/column_names.js" */
/** @import { Notices } from "../page/notices.js" */

/**
 * A change that was made: `text` is the tests that were added; `back` takes it back, which makes
 * sense only if the filter is still what it became, `isStill`.
 * @typedef {{id: string, text: string, isStill: (probe: Probe) => boolean,
 *   back: () => Promise<Probe>}} Done
 */

export class KernelFilter {
  #look;
  #notices;
  #onAnswer;
  #keyOf;
  #running = [];
  #refused = new Set(); // what the service said that the kernel does not test

  /**
   * @param {(column: any) => Look} look  as `presentation`
   * @param {(probe: string, name: string, type: string) => string} keyOf  as that of `Columns`
   * @param {Notices} notices  where errors are shown
   * @param {(probes: Probe[]) => void} onAnswer  called with the answer to a change
   */
  constructor(look, keyOf, notices, onAnswer) {
    this.#look = look;
    this.#keyOf = keyOf;
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
    return planMove(filter, this.#running, names, this.#look, {
      keyOf: this.#keyOf,
      isRefused: (probe, term) => this.#refused.has(refusal(probe, term)),
    });
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
   * @returns {Promise<{isDone: boolean, moved: object[], stay: {node: object, reason: string}[],
   *   done: Done[]}>} `isDone`: whether every change succeeded; errors are shown as notices. `moved`
   *   and `stay` are as planned, less what the kernel turned out not to test; `done` is what `undo`
   *   takes
   */
  async move({ patches, wheres, moved, stay }) {
    this.#notices.clear();
    this.isMoving = true;
    try {
      const found = await Promise.all([
        ...[...patches].map(([id, filter]) => this.#moveInto(id, filter)),
        ...wheres.map((change) => this.#addTo(change)),
      ]);
      const left = new Map(); // conjunct -> its text, and the probes whose kernel part lacks it
      for (const { id, terms } of found)
        for (const { node, text } of terms)
          left.set(node, { text, ids: [...(left.get(node)?.ids ?? []), id] });
      const reasons = [...left].map(([node, { text, ids }]) => ({
        node,
        reason: leftWords(ids, `test ${text} in the kernel`, "it"),
      }));
      return {
        isDone: found.every(({ isDone }) => isDone),
        moved: moved.filter((node) => !left.has(node)),
        stay: [...stay, ...reasons],
        done: found.flatMap(({ done }) => done),
      };
    } finally {
      this.isMoving = false;
    }
  }

  /** Take back what `move` did, except where a filter has changed since. @param {Done[]} done */
  async undo(done) {
    this.#notices.clear();
    await Promise.all(done.map((change) => this.#undo(change)));
  }

  async #undo({ id, isStill, back }) {
    const probe = this.#running.find((each) => each.id === id);
    if (probe && isStill(probe)) await this.#call(id, () => back());
    else
      this.#notices.add(
        `The filter of ${id} was not changed`,
        new CallError("It has changed since, or the probe does not run."),
      );
  }

  async #moveInto(id, filter) {
    const members = Object.keys(filter);
    if (!(await this.#patch(id, filter))) return { id, isDone: false, terms: [], done: [] };
    const back = Object.assign({}, ...members.map(withoutMember));
    const done = {
      id,
      text: testsOf(filter).join(" and "),
      isStill: (probe) => members.every((member) => probe.filter[member] === filter[member]),
      back: () => changeFilter(id, back),
    };
    return { id, isDone: true, terms: [], done: [done] };
  }

  /** Add to a probe's `where`; what the kernel does not test of it is taken out again. */
  async #addTo(change) {
    const { probe, before } = change;
    const { id } = probe;
    const first = await this.#call(id, () => changeWhere(id, change.where()));
    if (!first) return { id, isDone: false, terms: [], done: [] };
    const left = change.leftBy(first.where_in_service);
    const last =
      left.length === 0 ? first : await this.#call(id, () => changeWhere(id, change.where(left)));
    for (const { text } of left)
      for (const each of [probe, last ?? probe]) this.#refused.add(refusal(each, text));
    const { where } = last ?? first;
    const added = change.terms.filter((term) => !last || !left.includes(term));
    const done = {
      id,
      text: added.map(({ text }) => text).join(" and "),
      isStill: (now) => now.where === where,
      back: () => changeWhere(id, before || null),
    };
    return { id, isDone: Boolean(last), terms: left, done: added.length > 0 ? [done] : [] };
  }

  async #change(changes) {
    this.#notices.clear();
    await Promise.all(changes.map(([id, filter]) => this.#patch(id, filter)));
  }

  #patch(id, filter) {
    return this.#call(id, () => changeFilter(id, filter));
  }

  /**
   * @param {string} id  @param {() => Promise<Probe>} change
   * @returns {Promise<?Probe>} the answer; null if it failed, which is shown as a notice
   */
  async #call(id, change) {
    try {
      const probe = await ownChanges.during(id, change);
      this.#onAnswer([probe]);
      return probe;
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#notices.add(`The filter of ${id} was not changed`, error);
      return null;
    }
  }
}

/** What identifies a test that the kernel does not make: beside another filter, it may have room. */
function refusal({ id, started_at: start, where }, term) {
  return JSON.stringify([id, start, where, term]);
}
