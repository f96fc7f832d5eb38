// SPDX-License-Identifier: Apache-2.0

// The probe bar: a card for each probe, and the button that starts the best one.

import { isWatching } from "../../data/watching.js";
import { counted } from "../../format/number.js";
import { askAvailability, changeFilter, startProbe, stopProbe } from "../../net/api.js";
import { CallError } from "../../net/problem.js";
import { changes } from "../../probes/changes.js";
import { bestProbe, isActive } from "../../probes/choice.js";
import { isMode, tracesDeletions } from "../../probes/target.js";
import { byId, LOW, NARROW, setAttribute, setText } from "../page/dom.js";
import { remember, remembered } from "../page/preferences.js";
import { Card, VIEWS_ONLY_ID } from "./card.js";
import { NotSeenDialog } from "./not_seen.js";
import { OptionsDialog } from "./options.js";

/** @import { Notices } from "../page/notices.js" */

const FOLDED = "probes"; // name of the preference

export class ProbeBar {
  #cards = new Map();
  #busy = new Set();
  #notices;
  #on;
  #watch = byId("watch");
  #list = byId("cards");
  #summary = byId("probes-summary");
  #askAgainButton = byId("ask-again");
  #fold = byId("fold");
  #unavailable = byId("unavailable");
  #showsUnavailable = false;
  #mayChange = true;
  #notSeen = new NotSeenDialog();

  /**
   * @param {Notices} notices  where errors are shown
   * @param {{answer: (probes: Probe[]) => void, availability: (probes: Probe[]) => void,
   *   found: (words: string) => void, forgotten: (id: string) => void,
   *   traceAgain: (probe: Probe) => void}} on
   *   `forgotten`: a probe was deleted by this page; `traceAgain`: a probe with a target is to be
   *   started again; `answer`: to a start, a stop or a change of the filter, which the websocket reports too;
   *   `found`: the result of a re-check of kernel support, as text
   */
  constructor(notices, on) {
    this.#notices = notices;
    this.#on = on;
    this.dialog = new OptionsDialog((probe, spec) => this.#submit(probe, spec));
    this.#watch.addEventListener("click", () => this.#watchOrStop());
    this.#askAgainButton.addEventListener("click", () => this.#askAgain());
    this.#fold.addEventListener("click", () => {
      this.#showCards(this.#list.hidden);
      remember(FOLDED, this.#list.hidden ? "hidden" : "shown");
    });
    this.#unavailable.addEventListener("click", () => {
      this.#showsUnavailable = !this.#showsUnavailable;
      this.#showLead();
    });
    const before = remembered(FOLDED);
    // A small window has no room for cards.
    const isSmall = matchMedia(NARROW).matches || matchMedia(LOW).matches;
    this.#showCards(before ? before !== "hidden" : !isSmall);
  }

  get probes() {
    return [...this.#cards.values()].map((card) => card.probe);
  }

  /** @param {{name: string, role: string}} caller  who is signed in */
  allow({ role }) {
    this.#mayChange = role === "operator";
    this.#askAgainButton.disabled = !this.#mayChange;
    byId(VIEWS_ONLY_ID).hidden = this.#mayChange;
    for (const button of [this.#watch, this.#askAgainButton])
      setAttribute(button, "aria-describedby", this.#mayChange ? null : VIEWS_ONLY_ID);
    this.update(this.probes);
  }

  /** @param {Probe[]} probes  all or some, as in docs/protocol.md */
  update(probes) {
    for (const probe of probes) {
      let card = this.#cards.get(probe.id);
      if (!card) {
        card = new Card(probe.id, {
          start: (it) => this.#start(it),
          stop: (it) => this.#stop(it),
          options: (it) => this.dialog.open(it),
          notSeen: (it) => this.#notSeen.open(it),
          forget: (it) => this.#forget(it),
        });
        this.#cards.set(probe.id, card);
        // Probes with names of their own come before the modes.
        const [mode] = [...this.#cards.values()].filter((it) => it.probe && isMode(it.probe));
        this.#list.insertBefore(card.element, isMode(probe) ? null : (mode?.element ?? null));
      }
      card.show(probe, this.#busy.has(probe.id), this.#mayChange);
    }
    this.#showLead();
  }

  /** Remove the card of a probe that no longer exists. */
  remove(id) {
    const card = this.#cards.get(id);
    if (!card) return;
    const hadFocus = card.element.contains(document.activeElement);
    card.element.remove();
    this.#cards.delete(id);
    if (hadFocus) this.#fold.focus();
    this.#showLead();
  }

  /** Restart a probe with what it was started with before. */
  startAgain(probe) {
    if (probe.aggregate) return this.#countAgain(probe);
    if (!tracesDeletions(probe)) return void this.#on.traceAgain(probe);
    const { filter, where, expressions: columns, duration_s, restart } = probe;
    const spec = { filter, where, columns, duration_s, restart };
    return this.#call(probe, `${probe.id} was not started`, () => startProbe(probe.id, spec));
  }

  #countAgain(probe) {
    const { mode, target, filter, where, aggregate, duration_s, restart } = probe;
    const spec = { mode, filter, where, aggregate, duration_s, restart };
    if (target) spec[target.kind] = target.name;
    return this.#call(probe, `${probe.id} was not started`, () => startProbe(probe.id, spec));
  }

  /**
   * @param {(id: string) => number} perSecond  @param {(id: string) => number} lost
   * @param {(id: string) => ?object} counts
   */
  showRates(perSecond, lost, counts) {
    for (const [id, card] of this.#cards) card.showRate(perSecond(id), lost(id), counts(id));
  }

  #showCards(isOpen) {
    this.#list.hidden = !isOpen;
    this.#askAgainButton.hidden = !isOpen;
    this.#showLead();
    this.#fold.setAttribute("aria-expanded", String(isOpen));
    setText(this.#fold, isOpen ? "Hide probes" : "Show probes");
  }

  #showLead() {
    const { probes } = this;
    const running = probes.filter(isActive);
    const deletions = running.filter(tracesDeletions);
    const best = bestProbe(probes);
    this.#showUnavailable(probes.filter((probe) => !probe.available && !isActive(probe)));
    const isOnly = deletions.length === running.length;
    const stop = isOnly ? "Stop watching for everyone" : "Stop watching deletions for everyone";
    setText(this.#watch, deletions.length > 0 ? stop : "Watch deletions");
    this.#watch.classList.toggle("button--primary", running.length === 0);
    this.#watch.disabled =
      !this.#mayChange || this.#busy.size > 0 || (deletions.length === 0 && !best);
    const failed = probes.filter(({ state }) => state === "failed");
    const ids = (list) => list.map(({ id }) => id).join(", ");
    const parts = [];
    if (running.some(isWatching)) parts.push(`${ids(running.filter(isWatching))} attached`);
    const others = running.filter((it) => !isWatching(it) && it.state !== "failed");
    for (const it of others)
      parts.push(`${it.id} ${it.state === "running" ? "sees no calls" : it.state}`);
    if (failed.length > 0) parts.push(`${ids(failed)} failed`);
    if (running.length > 0 || failed.length > 0) setText(this.#summary, parts.join(" · "));
    else if (best)
      setText(this.#summary, `will start ${best.id}, the best mode this kernel supports`);
    else setText(this.#summary, "this kernel supports none of the modes; each card says why");
  }

  /** Fold the modes that this kernel does not support into one button. */
  #showUnavailable(refused) {
    const isAll = refused.length === this.#cards.size;
    const isShown = this.#showsUnavailable || isAll;
    const { length } = refused;
    this.#unavailable.hidden = length === 0 || isAll || this.#list.hidden;
    setText(
      this.#unavailable,
      isShown ? "Hide unavailable modes" : `${counted(length, "unavailable mode")}`,
    );
    this.#unavailable.setAttribute("aria-expanded", String(isShown));
    this.#list.classList.toggle("cards--folded", !isShown);
  }

  async #watchOrStop() {
    const running = this.probes.filter((probe) => isActive(probe) && tracesDeletions(probe));
    const best = bestProbe(this.probes);
    if (running.length > 0) await Promise.all(running.map((probe) => this.#stop(probe)));
    else if (best) await this.#start(best);
  }

  #start(probe) {
    if (!isMode(probe)) return void this.#on.traceAgain(probe);
    return this.#call(probe, `${probe.id} was not started`, () => startProbe(probe.id));
  }

  #stop(probe) {
    return this.#call(probe, `${probe.id} was not stopped`, () => stopProbe(probe.id));
  }

  /** Delete a probe that has ended. */
  async #forget(probe) {
    this.#notices.clear();
    try {
      await this.#whileBusy(probe, () => stopProbe(probe.id));
      this.#on.forgotten(probe.id);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#notices.add(`${probe.id} was not deleted`, error);
    }
  }

  /** Send what the dialog submits; the dialog shows the error itself. */
  async #submit(probe, spec) {
    const call = isActive(probe)
      ? () => changeFilter(probe.id, spec.filter)
      : () => startProbe(probe.id, spec);
    this.#on.answer([await this.#whileBusy(probe, call)]);
  }

  async #call(probe, failure, call) {
    this.#notices.clear();
    try {
      this.#on.answer([await this.#whileBusy(probe, call)]);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#notices.add(failure, error);
    }
  }

  async #whileBusy(probe, call) {
    this.#busy.add(probe.id);
    this.update([probe]);
    try {
      return await changes.during(probe.id, call);
    } finally {
      this.#busy.delete(probe.id);
      const card = this.#cards.get(probe.id); // none if the probe has been forgotten
      if (card) this.update([card.probe]);
    }
  }

  async #askAgain() {
    const button = this.#askAgainButton;
    button.disabled = true;
    const before = new Map(this.probes.map((probe) => [probe.id, probe.available]));
    try {
      const { probes } = await askAvailability();
      this.#on.availability(probes);
      this.#on.found(foundWords(probes, before));
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#notices.add("Kernel support could not be checked", error);
    } finally {
      button.disabled = !this.#mayChange;
    }
  }
}

/** Describe the result of a re-check of kernel support, and what changed. */
function foundWords(probes, before) {
  const ids = (list) => list.map(({ id }) => id).join(", ") || "none";
  const works = probes.filter(({ available }) => available);
  const refused = probes.filter(({ available }) => !available);
  const changed = probes.filter(({ id, available }) => before.get(id) !== available);
  const words = [`Kernel support checked. Available: ${ids(works)}`];
  if (refused.length > 0) words.push(`not available: ${ids(refused)}`);
  words.push(changed.length > 0 ? `changed: ${ids(changed)}` : "no change");
  return `${words.join("; ")}.`;
}
