// SPDX-License-Identifier: Apache-2.0

// The probe bar: a card for each probe, and the one button that most people want.

import { askAvailability, changeFilter, startProbe, stopProbe } from "../net/api.js";
import { CallError } from "../net/problem.js";
import { bestProbe, isActive } from "../probes/choice.js";
import { Card, VIEWS_ONLY } from "./card.js";
import { byId, NARROW, setText } from "./dom.js";
import { NotSeenDialog } from "./notseen.js";
import { OptionsDialog } from "./options.js";

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
  #mayChange = true;
  #notSeen = new NotSeenDialog();

  /**
   * @param {Notices} notices  where failures are said
   * @param {{answer: (probes: object[]) => void, availability: (probes: object[]) => void}} on
   *   `answer`: to a start, a stop or a change of the filter; the websocket tells of these too
   */
  constructor(notices, on) {
    this.#notices = notices;
    this.#on = on;
    this.dialog = new OptionsDialog((probe, spec) => this.#submit(probe, spec));
    this.#watch.addEventListener("click", () => this.#watchOrStop());
    this.#askAgainButton.addEventListener("click", () => this.#askAgain());
    this.#fold.addEventListener("click", () => this.#showCards(this.#list.hidden));
    this.#showCards(!matchMedia(NARROW).matches); // there the table needs the room
  }

  get probes() {
    return [...this.#cards.values()].map((card) => card.probe);
  }

  /** @param {{name: string, role: string}} caller  whom the service takes this page for */
  allow({ role }) {
    this.#mayChange = role === "operator";
    this.#askAgainButton.disabled = !this.#mayChange;
    this.update(this.probes);
  }

  /** @param {object[]} probes  all or some, as in docs/protocol.md */
  update(probes) {
    for (const probe of probes) {
      let card = this.#cards.get(probe.id);
      if (!card) {
        card = new Card(probe.id, {
          start: (it) => this.#start(it),
          stop: (it) => this.#stop(it),
          options: (it) => this.dialog.open(it),
          notSeen: (it) => this.#notSeen.open(it),
        });
        this.#cards.set(probe.id, card);
        this.#list.append(card.element);
      }
      card.show(probe, this.#busy.has(probe.id), this.#mayChange);
    }
    this.#showLead();
  }

  /** @param {(id: string) => number} perSecond  @param {(id: string) => number} lost */
  showRates(perSecond, lost) {
    for (const [id, card] of this.#cards) card.showRate(perSecond(id), lost(id));
  }

  #showCards(isOpen) {
    this.#list.hidden = !isOpen;
    this.#askAgainButton.hidden = !isOpen;
    this.#fold.setAttribute("aria-expanded", String(isOpen));
    setText(this.#fold, isOpen ? "Hide probes" : "Show probes");
  }

  #showLead() {
    const { probes } = this;
    const running = probes.filter(isActive);
    const best = bestProbe(probes);
    setText(this.#watch, running.length > 0 ? "Stop watching" : "Watch deletions");
    this.#watch.classList.toggle("button--primary", running.length === 0);
    this.#watch.disabled =
      !this.#mayChange || this.#busy.size > 0 || (running.length === 0 && !best);
    this.#watch.title = this.#mayChange ? "" : VIEWS_ONLY;
    if (running.length > 0)
      setText(this.#summary, `${running.map((it) => it.id).join(", ")} attached`);
    else if (best) setText(this.#summary, `starts ${best.id}, the best this kernel allows`);
    else setText(this.#summary, "this kernel allows none of the modes: each says why");
  }

  async #watchOrStop() {
    const running = this.probes.filter(isActive);
    const best = bestProbe(this.probes);
    if (running.length > 0) await Promise.all(running.map((probe) => this.#stop(probe)));
    else if (best) await this.#start(best);
  }

  #start(probe) {
    return this.#call(probe, `${probe.id} was not started`, () => startProbe(probe.id));
  }

  #stop(probe) {
    return this.#call(probe, `${probe.id} was not stopped`, () => stopProbe(probe.id));
  }

  /** From the dialog, which shows what goes wrong itself. */
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
      return await call();
    } finally {
      this.#busy.delete(probe.id);
      this.update([this.#cards.get(probe.id).probe]);
    }
  }

  async #askAgain() {
    const button = this.#askAgainButton;
    button.disabled = true;
    try {
      this.#on.availability((await askAvailability()).probes);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#notices.add("The kernel was not asked", error);
    } finally {
      button.disabled = !this.#mayChange;
    }
  }
}
