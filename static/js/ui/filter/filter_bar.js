// SPDX-License-Identifier: Apache-2.0

// The filter bar: a text field that underlines errors while typing, with completion, a history and
// a button that clears it.

import { visibleText } from "../../format/text.js";
import { el, setAttribute, setText } from "../page/dom.js";
import { Completions } from "./completions.js";
import { FaultMarks } from "./fault_marks.js";

/** @import { FilterFault } from "../../filter/fault.js" */
/** @import { FilterHelp } from "./filter_help.js" */

const PLACEHOLDER = "words, or tests: process=rm, latency>1ms";
const RECENT = 5; // filters offered in an empty bar; ArrowUp has the rest
const PAUSE_MS = 800; // an error is announced after a pause in typing

export class FilterBar {
  #history;
  #complete;
  #onType;
  #onLeave;
  #onDone;
  #isQuiet = false;
  #text = "";
  #faults = [];
  #offer = { from: 0, to: 0, items: [], isAsked: false };
  #quiet = 0;
  #input = el("input", {
    type: "text",
    class: "filterbar__text",
    id: "text-filter",
    placeholder: PLACEHOLDER,
    autocomplete: "off",
    spellcheck: false,
    autocapitalize: "off",
    enterKeyHint: "done",
  });
  #marks = new FaultMarks(this.#input);
  #clear = el(
    "button",
    {
      type: "button",
      class: "filterbar__button",
      "aria-label": "Clear the filter",
      title: "Clear the filter",
      hidden: true,
    },
    "×",
  );
  #said = el("p", { class: "visually-hidden", role: "status" });
  #completions = new Completions(this.#input, (item) => this.#accept(item));

  /**
   * @param {HTMLElement} element  what the bar is built into
   * @param {{history: any, complete: (text: string, caret: number) => any,
   *   type: (text: string) => void, done: () => void, leave: () => void}} on  `type`: the user
   *   changed the text; `done`: and it is complete; `leave`: the focus should move to the table
   * @param {FilterHelp} help
   */
  constructor(element, { history, complete, type, done, leave }, help) {
    this.#onLeave = leave;
    this.#history = history;
    this.#complete = complete;
    this.#onType = type;
    this.#onDone = done;
    element.append(
      el("label", { class: "filterbar__label", htmlFor: this.#input.id }, "Filter"),
      el(
        "div",
        { class: "filterbar__field" },
        this.#input,
        this.#marks.element,
        this.#clear,
        help.button,
        this.#completions.element,
        help.element,
      ),
      this.#said,
    );
    this.#listen();
  }

  #listen() {
    const input = this.#input;
    input.addEventListener("input", () => {
      this.#history.leave();
      this.#changed();
      this.#offerWhatFits(false);
    });
    input.addEventListener("keydown", (event) => {
      if (!event.isComposing && this.#key(event)) {
        event.preventDefault();
        event.stopPropagation();
      }
    });
    input.addEventListener("change", () => this.remember());
    input.addEventListener("blur", () => this.#completions.close());
    input.addEventListener("click", () => {
      if (this.#text === "") this.#offerWhatFits(true);
      else this.#completions.close();
    });
    // An empty bar offers what can be typed.
    input.addEventListener("focus", () => {
      if (this.#text === "" && !this.#isQuiet) this.#offerWhatFits(true);
    });
    this.#clear.addEventListener("click", () => {
      this.#put("", 0);
      input.focus();
    });
  }

  /** Show a text set by another part of the page. */
  show(text) {
    if (text === this.#text) return;
    this.#text = text;
    if (this.#input.value !== text) this.#input.value = text;
    this.#clear.hidden = text === "";
    this.#completions.close();
  }

  /** @param {FilterFault[]} faults  of the text that is shown  @param {string} describedBy  an id */
  showFaults(faults, describedBy) {
    this.#faults = faults;
    setAttribute(this.#input, "aria-invalid", faults.length > 0 ? "true" : null);
    setAttribute(this.#input, "aria-describedby", faults.length > 0 ? describedBy : null);
    this.#marks.show(this.#text, faults);
    clearTimeout(this.#quiet);
    const words = faults.length > 0 ? `Invalid filter: ${faults[0].message}` : "";
    this.#quiet = setTimeout(() => setText(this.#said, visibleText(words)), words ? PAUSE_MS : 0);
  }

  /** Add the text to the history: it was used. */
  remember() {
    if (this.#faults.length === 0) this.#history.add(this.#text);
    this.#onDone();
  }

  /** Focus the field without offering completions, which would hide what is below. */
  focus() {
    this.#isQuiet = true;
    this.#input.focus();
    this.#isQuiet = false;
  }

  #key(event) {
    const { key } = event;
    const isPlain = !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey;
    if (isPlain && key === "Tab" && this.#completions.isOpen && this.#offer.isAsked) {
      this.#completions.acceptFirst();
      return true;
    }
    const isAtStart = this.#text === "" && !this.#completions.hasChosen;
    const asksForOlder = key === "ArrowUp" && (isAtStart || this.#history.isRecalling);
    const isRecalling = asksForOlder || (key === "ArrowDown" && this.#history.isRecalling);
    // In an empty bar the list opened automatically, so Escape leaves at once.
    const leavesAtOnce = key === "Escape" && isAtStart;
    if (!isRecalling && !leavesAtOnce && this.#completions.key(event)) return true;
    if (isPlain && (key === "Enter" || key === "Escape")) {
      this.#completions.close();
      this.remember();
      if (key === "Escape" || this.#faults.length === 0) this.#onLeave();
      return true;
    }
    if (isRecalling) {
      const text = this.#history.recall(key === "ArrowUp" ? 1 : -1);
      if (text !== null) this.#put(text, text.length, false);
      return true;
    }
    if (key === "ArrowDown" || (key === " " && event.ctrlKey)) {
      this.#offerWhatFits(true);
      return true;
    }
    return false;
  }

  /** Offer completions; unless asked, only those that continue a partially typed word. */
  #offerWhatFits(isAsked) {
    const caret = this.#input.selectionStart;
    this.#offer = this.#complete(this.#text, caret);
    const { from, to, items, isAsked: isBegun, isChosen } = this.#offer;
    const typed = this.#text.slice(from, to);
    const fresh = items.filter(({ insert }) => insert !== typed);
    this.#completions.show(isAsked || isBegun ? [...this.#recent(), ...fresh] : [], isChosen);
  }

  /** Return recently used filters if the bar is empty. */
  #recent() {
    const recent = this.#text === "" ? this.#history.entries.slice(0, RECENT) : [];
    return recent.map((insert) => ({ insert, help: "used recently", kind: "recent" }));
  }

  #accept({ insert, kind }) {
    const { from, to } = this.#offer;
    this.#put(this.#text.slice(0, from) + insert + this.#text.slice(to), from + insert.length);
    // A column needs an operator, and an operator a value.
    if (kind === "column" || kind === "operator") this.#offerWhatFits(true);
  }

  #put(text, caret, leavesHistory = true) {
    if (leavesHistory) this.#history.leave();
    this.#input.value = text;
    this.#input.setSelectionRange(caret, caret);
    this.#changed();
  }

  #changed() {
    this.#text = this.#input.value;
    this.#clear.hidden = this.#text === "";
    this.#onType(this.#text);
  }
}
