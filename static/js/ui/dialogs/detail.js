// SPDX-License-Identifier: Apache-2.0

// The panel with all fields of one event. It keeps them even after the event has been evicted.

import { MISSING, VALUE } from "../../data/chunk.js";
import { hueClass } from "../../format/hue.js";
import { eventJson } from "../../format/json.js";
import { presentation } from "../../format/presentation.js";
import { part, visibleText } from "../../format/text.js";
import { el, setText } from "../page/dom.js";

/** @import { EventStore } from "../../data/store.js" */

const MOVES = new Set(["ArrowUp", "ArrowDown", "j", "k"]);
const MAX_LABEL_CHARACTERS = 40;

export class Detail {
  #store;
  #on;
  #element;
  #fields = []; // {column, look, value}; value is null for no value
  #opener = null;
  #title = el("h2", { class: "detail__title", tabIndex: -1 }, "Event");
  #copy = el("button", { type: "button", class: "button button--small" }, "Copy as JSON");
  #copied = el("span", { class: "detail__copied", role: "status" });
  #note = el("p", { class: "detail__note", role: "status", hidden: true });
  #probe = el("p", { class: "detail__probe" });
  #quick = el("div", { class: "detail__quick" });
  #list = el("dl", { class: "detail__fields" });

  /**
   * @param {HTMLElement} element  the aside  @param {EventStore} store
   * @param {{narrow: (test: {name: string, operator: string, value: *}) => void,
   *   move: (key: string) => void, close: () => void,
   *   probe: (id: string) => ?object}} on  `probe` returns a probe as in docs/protocol.md
   */
  constructor(element, store, on) {
    this.#element = element;
    this.#store = store;
    this.#on = on;
    /** The number of the row shown, null for none. */
    this.row = null;
    element.append(this.#head(), this.#note, this.#probe, this.#quick, this.#list);
    element.classList.add("detail");
    this.#copy.addEventListener("click", () => this.#copyJson());
    element.addEventListener("keydown", (event) => this.#key(event));
  }

  get isOpen() {
    return !this.#element.hidden;
  }

  /** Show a row's fields and focus them; `close` restores the focus. */
  open(row) {
    if (!this.isOpen) this.#opener = document.activeElement;
    this.#element.hidden = false;
    this.show(row);
    this.#title.focus();
  }

  /** Show another row, if the panel is open. A gap row has no fields. */
  show(row) {
    if (!this.isOpen || row === null || row < this.#store.first) return;
    const hadFocus =
      this.#list.contains(document.activeElement) || this.#quick.contains(document.activeElement);
    this.row = row;
    this.#fields = this.#store.gapAt(row) ? [] : this.#read(row);
    setText(this.#copied, "");
    this.refresh();
    this.#element.scrollTop = 0;
    if (hadFocus) this.#title.focus();
  }

  /** Update after rows were added or evicted. */
  update() {
    const isGone = this.isOpen && this.row !== null && this.row < this.#store.first;
    this.#note.hidden = !isGone && this.#fields.length > 0;
    if (isGone)
      setText(this.#note, "This event is no longer in the table: it was evicted or cleared.");
    else
      setText(
        this.#note,
        this.#fields.length > 0 ? "" : "Events are missing here, so there are no fields to show.",
      );
  }

  /** Show the same row again: user names became known. */
  refresh() {
    if (!this.isOpen) return;
    this.#showProbe();
    this.#quick.replaceChildren(...this.#fields.flatMap((field) => this.#quickButton(field)));
    this.#list.replaceChildren(...this.#fields.map((field) => this.#field(field)));
    this.#copy.disabled = this.#fields.length === 0;
    this.update();
  }

  close() {
    if (!this.isOpen) return;
    this.#element.hidden = true;
    this.row = null;
    this.#opener?.focus();
    this.#on.close();
  }

  #head() {
    const button = (text, label, act) => {
      const made = el(
        "button",
        { type: "button", class: "detail__button", "aria-label": label, title: label },
        text,
      );
      made.addEventListener("click", act);
      return made;
    };
    return el(
      "div",
      { class: "detail__head" },
      this.#title,
      this.#copied,
      this.#copy,
      button("↑", "Previous row", () => this.#on.move("ArrowUp")),
      button("↓", "Next row", () => this.#on.move("ArrowDown")),
      button("×", "Close", () => this.close()),
    );
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") this.close();
    else if (MOVES.has(event.key)) this.#on.move(event.key);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #read(row) {
    const fields = [];
    for (const column of this.#store.columns.all) {
      const state = this.#store.stateAt(row, column.key);
      if (state === MISSING) continue;
      const value = state === VALUE ? this.#store.valueAt(row, column.key) : null;
      fields.push({ column, look: presentation(column), value });
    }
    return fields;
  }

  #showProbe() {
    const id = this.#fields.find(({ column }) => column.name === "probe")?.value;
    this.#probe.hidden = !id;
    if (!id) return;
    const { mode, function: name } = this.#on.probe(id) ?? {};
    const words = [
      mode && mode !== id ? `mode ${visibleText(mode)}` : "",
      name ? `at ${visibleText(name)}` : "",
    ];
    this.#probe.replaceChildren(
      "Seen by ",
      el("strong", { class: `probe-name ${hueClass(id)}` }, visibleText(id)),
      ` ${words.filter(Boolean).join(" ")}`.trimEnd(),
    );
  }

  #quickButton({ column, look, value }) {
    if (!look.quick || value === null) return [];
    const { label, operator, value: fixed = value } = look.quick;
    const button = this.#narrowing(label, { name: column.name, operator, value: fixed }, look);
    button.classList.add("button");
    return [button];
  }

  #field({ column, look, value }) {
    const { name, title, help } = column;
    const shown = value === null ? [part("no value", "faint")] : look.full(value);
    const notes = value === null ? [] : look.notes(value);
    const tests = value === null ? [] : look.tests;
    return el(
      "div",
      { class: "detail__field" },
      el("dt", { title: help }, title, el("code", {}, visibleText(name))),
      el(
        "dd",
        { class: "detail__value" },
        ...shown.map(({ text, className }) => el("span", { class: className }, text)),
      ),
      ...notes.map((note) => el("dd", { class: "detail__meaning" }, note)),
      el(
        "dd",
        { class: "detail__tests" },
        ...tests.map(({ label, operator }) =>
          this.#narrowing(label, { name, operator, value }, look, title),
        ),
      ),
    );
  }

  /** Make a button that adds a test to the filter; its label tells screen readers which one. */
  #narrowing(label, test, look, title = "") {
    const value = look
      .full(test.value)
      .map(({ text }) => text)
      .join("");
    const short =
      value.length > MAX_LABEL_CHARACTERS ? `${value.slice(0, MAX_LABEL_CHARACTERS)}…` : value;
    const button = el("button", { type: "button", class: "detail__test" }, label);
    button.setAttribute("aria-label", `${label}: ${title} ${short}`.replace(/\s+/g, " "));
    button.addEventListener("click", () => this.#on.narrow(test));
    return button;
  }

  async #copyJson() {
    const fields = this.#fields.map(({ column: { name, type }, value }) => ({ name, type, value }));
    try {
      await navigator.clipboard.writeText(eventJson(fields));
      setText(this.#copied, "Copied");
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      setText(this.#copied, "The browser denied access to the clipboard");
    }
  }
}
