// SPDX-License-Identifier: Apache-2.0

// A card of the probe bar: the probe's state, the function it attaches to, start and stop.

import { isWatching } from "../../data/watching.js";
import { duration } from "../../format/duration.js";
import { hueClass } from "../../format/hue.js";
import { counted, rate } from "../../format/number.js";
import { sentence, visibleText } from "../../format/text.js";
import { isActive } from "../../probes/choice.js";
import { filterWords } from "../../probes/spec.js";
import { isMode, ownColumns, targetWords } from "../../probes/target.js";
import { el, setAttribute, setText } from "../page/dom.js";

/** The id of the element that explains why a viewer's buttons are disabled. */
export const VIEWS_ONLY_ID = "viewer-note";

export class Card {
  #name = el("h3", { class: "card__name" });
  #state = el("span", { class: "state" });
  #function = el("p", { class: "card__function" });
  #columns = el("p", { class: "card__columns" });
  #where = el("p", { class: "card__where" });
  #facts = el("p", { class: "card__facts" });
  #reason = el("p", { class: "card__reason" });
  #hint = el("p", { class: "card__hint" });
  #main = el("button", { type: "button", class: "button" });
  #options = el("button", { type: "button", class: "button button--quiet" });
  #notSeen = el("button", { type: "button", class: "button button--quiet" }, "Caveats…");
  #everyone = el("span", { class: "card__everyone" }, "for everyone");

  /**
   * @param {{start: Function, stop: Function, options: Function, notSeen: Function,
   *   forget: Function}} on
   *   each is called with the probe
   */
  constructor(id, on) {
    this.probe = null;
    setText(this.#name, id);
    this.element = el(
      "li",
      { class: `card ${hueClass(id)}` },
      el(
        "div",
        { class: "card__head" },
        this.#name,
        el("p", { class: "card__status" }, this.#state, this.#everyone),
      ),
      this.#function,
      this.#columns,
      this.#where,
      this.#facts,
      this.#reason,
      this.#hint,
      el("div", { class: "card__actions" }, this.#main, this.#options, this.#notSeen),
    );
    this.#main.addEventListener("click", () =>
      isActive(this.probe) ? on.stop(this.probe) : on.start(this.probe),
    );
    this.#options.addEventListener("click", () =>
      this.#isForgettable ? on.forget(this.probe) : on.options(this.probe),
    );
    this.#notSeen.setAttribute("aria-label", `Caveats of ${id}`);
    this.#notSeen.addEventListener("click", () => on.notSeen(this.probe));
  }

  /** Whether the probe has ended, and has a name of its own: it can be deleted. */
  get #isForgettable() {
    return !isActive(this.probe) && !isMode(this.probe);
  }

  /**
   * @param {Probe} probe  docs/protocol.md  @param {boolean} isBusy  a call is in progress
   * @param {boolean} mayChange  whether the user is an operator
   */
  show(probe, isBusy, mayChange) {
    this.probe = probe;
    const active = isActive(probe);
    const usable = probe.available || active;
    const { classList } = this.element;
    classList.toggle("card--unavailable", !usable);
    classList.toggle("card--running", isWatching(probe));
    const state = probe.state === "running" && probe.blind ? "blind" : probe.state;
    setText(this.#state, usable ? (STATES[state] ?? state) : "not available");
    this.#state.dataset.state = usable ? state : "unavailable";
    this.#showTarget(probe);
    this.#function.title = this.#function.textContent;
    setText(
      this.#reason,
      usable ? endWords(probe) : sentence(probe.reason ?? "The kernel does not support it"),
    );
    setText(this.#hint, usable || !probe.hint ? "" : sentence(probe.hint));
    this.#showButtons(probe, active, usable, isBusy, mayChange);
  }

  #showTarget(probe) {
    const words = targetWords(probe) || (probe.function ?? "no function available");
    setText(this.#function, visibleText(words));
    const columns = probe.target ? ownColumns(probe) : [];
    setText(this.#columns, visibleText(columns.join(", ")));
    this.#columns.title = this.#columns.textContent;
    const { where, where_in_service: rest } = probe;
    const note = rest ? ` (not in the kernel: ${rest})` : "";
    setText(this.#where, where ? visibleText(`where ${where}${note}`) : "");
    this.#where.title = rest ? visibleText(`The kernel does not test ${rest}; this page does`) : "";
  }

  /**
   * @param {number} perSecond  events that reach this page  @param {number} lost
   * @param {?{calls: number, groups: number, ungrouped: number}} counts  of one that counts calls
   */
  showRate(perSecond, lost, counts = null) {
    const words = [];
    const { state, filter, cost } = this.probe;
    if (this.probe.aggregate && counts) words.push(...totals(counts));
    if (state === "running") {
      if (!this.probe.aggregate) words.push(rate(perSecond));
      if (cost) words.push(`${duration(Math.round(cost.ns_per_call))} per call`);
      words.push(...filterWords(filter));
    }
    if (lost > 0) words.push(`${lost.toLocaleString("en-US")} lost`);
    setText(this.#facts, visibleText(words.join(" · ")));
    this.#facts.title = cost ? costWords(cost) : "";
    this.#facts.classList.toggle("card__facts--lost", lost > 0);
  }

  #showButtons(probe, active, usable, isBusy, mayChange) {
    const waits = isBusy || probe.state === "starting" || probe.state === "stopping";
    setText(this.#main, active ? "Stop" : "Start");
    this.#main.setAttribute(
      "aria-label",
      active ? `Stop ${probe.id} for everyone` : `Start ${probe.id}`,
    );
    const isForgettable = this.#isForgettable;
    setText(this.#options, active ? "Filter…" : isForgettable ? "Delete" : "Options…");
    this.#options.hidden = active && probe.state === "failed"; // waiting for its restart: it has no filter
    const ofStopped = isForgettable
      ? `Delete ${probe.id} for everyone`
      : `Start ${probe.id} with options`;
    this.#options.setAttribute(
      "aria-label",
      active ? `Change the filter of ${probe.id} for everyone` : ofStopped,
    );
    this.#notSeen.hidden = (probe.not_seen ?? []).length === 0;
    for (const button of [this.#main, this.#options]) {
      button.disabled = waits || !usable || !mayChange;
      setAttribute(button, "aria-describedby", mayChange ? null : VIEWS_ONLY_ID);
    }
    this.#main.parentElement.hidden = !usable;
    this.#everyone.hidden = !active;
  }
}

const STATES = {
  stopped: "stopped",
  starting: "starting…",
  running: "running",
  stopping: "stopping…",
  failed: "failed",
  blind: "sees no calls",
};

function totals({ calls, groups, ungrouped }) {
  const words = [`${counted(calls, "call")} in ${counted(groups, "group")}`];
  if (ungrouped > 0) words.push(`${counted(ungrouped, "call")} without room for a group`);
  return words;
}

function costWords({ calls, ns_per_call }) {
  return `Each traced call spends ${duration(Math.round(ns_per_call))} in the probe's BPF programs, as measured by the kernel over the last ${counted(calls, "call")}.`;
}

/** Return how the last run ended, "" if it was stopped on request. */
function endWords({ state, ended, blind }) {
  if (state === "running" && blind) return sentence(blind.reason);
  if (!ended || ended.code === "requested" || (state !== "stopped" && state !== "failed"))
    return "";
  if (ended.code === "duration") return "Stopped automatically: its duration elapsed.";
  const words = sentence(ended.detail || ended.code);
  return ended.restart_at ? `${words} It restarts automatically.` : words;
}
