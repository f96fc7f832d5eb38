// SPDX-License-Identifier: Apache-2.0

// The summary panel: rate, distribution and most frequent values of the view's rows. It counts
// only while it is open, in slices that keep the page responsive.

import { counted } from "../../format/number.js";
import { Summary } from "../../summary/summary.js";
import { el, NARROW, setText } from "../page/dom.js";
import { onThemeChange } from "./palette.js";
import { RateFigure } from "./rate_figure.js";
import { SpreadFigure } from "./spread_figure.js";
import { TopList } from "./top_list.js";

/** @import { Address } from "../page/address.js" */
/** @import { EventStore } from "../../data/store.js" */
/** @import { View } from "../../data/view.js" */

const UPDATE_MS = 250;
const SLICE_MS = 8;
const PAUSE_MS = 4; // between slices, for the page's other work
const PARAMETER = "summary";

const FIGURES = {
  timeline: (_, narrow) => new RateFigure(narrow),
  histogram: ({ title }, narrow) => new SpreadFigure(title, narrow),
  tally: ({ title }, narrow) => new TopList(title, narrow),
};

export class SummaryPanel {
  #aside;
  #view;
  #narrow;
  #address;
  #summary;
  #parts = null; // of the figures
  #figures = [];
  #epoch = -1;
  #timer = 0;
  #shownAt = -UPDATE_MS;
  #isSought = false; // opened by the user: scroll to it once it has figures
  #scope = el("p", { class: "summary__scope" });
  #body = el("div", { class: "summary__body" });
  #button = el(
    "button",
    {
      type: "button",
      class: "button",
      "aria-pressed": "false",
      "aria-controls": "summary",
      "aria-keyshortcuts": "s",
    },
    "Summary",
  );

  /**
   * @param {{aside: HTMLElement, tools: HTMLElement, store: EventStore, view: View,
   *   narrow: (test: any) => void, address: Address}} parts  of the page: where
   *   the panel and its button go, what it counts, and where selections become filters
   */
  constructor({ aside, tools, store, view, narrow, address }) {
    this.#aside = aside;
    this.#view = view;
    this.#narrow = narrow;
    this.#address = address;
    this.#summary = new Summary(store, view);
    const close = el(
      "button",
      { type: "button", class: "button button--quiet button--small" },
      "Close",
    );
    aside.append(
      el(
        "div",
        { class: "summary__head" },
        el("h2", { class: "summary__title" }, "Summary"),
        this.#scope,
        close,
      ),
      this.#body,
    );
    tools.append(this.#button);
    this.#button.addEventListener("click", () => this.#ask(aside.hidden));
    close.addEventListener("click", () => {
      this.#ask(false);
      this.#button.focus();
    });
    address.onChange(() => this.#follow());
    onThemeChange(() => this.#repaint());
    this.#follow();
  }

  /** Update: the view, its filter or its columns may have changed. */
  changed() {
    if (this.#aside.hidden || this.#timer) return;
    const wait = this.#shownAt + UPDATE_MS - performance.now();
    this.#later(this.#epoch === this.#view.epoch ? wait : 0);
  }

  #ask(isOpen) {
    this.#address.set(PARAMETER, isOpen ? "1" : null);
    this.#follow();
    this.#isSought = isOpen && matchMedia(NARROW).matches; // there it is below the table
  }

  /** Open or close the panel, as the address says. */
  #follow() {
    const isOpen = this.#address.get(PARAMETER) === "1";
    if (isOpen !== this.#aside.hidden) return;
    this.#aside.hidden = !isOpen;
    this.#button.setAttribute("aria-pressed", String(isOpen));
    if (isOpen) return this.changed();
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#summary.reset();
    this.#makeFigures(null); // they hold counts
  }

  #later(ms) {
    this.#timer = setTimeout(
      () => {
        this.#timer = 0;
        this.#work();
      },
      Math.max(0, ms),
    );
  }

  #work() {
    const begin = performance.now();
    const isDone = this.#summary.advance(() => performance.now() - begin > SLICE_MS);
    if (isDone || begin - this.#shownAt >= UPDATE_MS) this.#show(isDone);
    if (!isDone) this.#later(PAUSE_MS);
  }

  #show(isDone) {
    this.#shownAt = performance.now();
    const { parts, progress } = this.#summary;
    if (parts !== this.#parts) this.#makeFigures(parts);
    const isSame = this.#epoch === this.#view.epoch;
    this.#epoch = this.#view.epoch;
    for (const [i, { measure }] of parts.entries()) this.#figures[i].show(measure, isSame);
    const events = counted(this.#view.events, "event");
    const counting = `counting, ${Math.floor(100 * progress)}% of ${events}`;
    setText(this.#scope, isDone ? `${events} shown` : counting);
    if (this.#isSought) this.#aside.scrollIntoView({ block: "start" });
    this.#isSought = false;
  }

  /** Keep the figures while the columns stay the same, so that the focus is kept too. */
  #makeFigures(parts) {
    const words = (list) =>
      list?.map(({ kind, key, title }) => `${kind} ${key} ${title}`).join("\n");
    if (words(parts) !== words(this.#parts)) {
      for (const figure of this.#figures) figure.remove?.();
      this.#figures = (parts ?? []).map(({ kind, measure }) =>
        FIGURES[kind](measure.column, this.#narrow),
      );
      this.#body.replaceChildren(...this.#figures.map(({ element }) => element));
    }
    this.#parts = parts;
  }

  #repaint() {
    for (const figure of this.#figures) figure.repaint?.();
  }
}
