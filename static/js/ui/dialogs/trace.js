// SPDX-License-Identifier: Apache-2.0

// The dialog that starts a probe of a function, system call, tracepoint or preset.

import { sentence, visibleText } from "../../format/text.js";
import { startProbe } from "../../net/api.js";
import { CallError } from "../../net/problem.js";
import { changes } from "../../probes/changes.js";
import { insteadOf, modesOf } from "../../probes/functions.js";
import { KINDS, proposedId } from "../../probes/target.js";
import { faultsOf, parseForm } from "../../probes/trace_form.js";
import { byId, el, setAttribute, setText } from "../page/dom.js";
import { VIEWS_ONLY_ID } from "../probes/card.js";
import { Field } from "../trace/field.js";
import { FunctionSearch } from "../trace/function_search.js";
import { ModeChoice } from "../trace/mode_choice.js";
import { closeButton, dialog } from "./dialog.js";

/** @import { Typed } from "../../probes/trace_form.js" */

const NAMES = ["name", "mode", "columns", "where", "duration", "id"];

export class TraceDialog {
  #on;
  #isIdOwn = false; // whether the user typed the probe's name
  #again = null; // the id of the probe to start again
  #opener = byId("trace-open");
  #kind = el(
    "select",
    { id: "trace-kind" },
    ...KINDS.map(({ kind, title }) => el("option", { value: kind }, title)),
  );
  #name = input("trace-name", { required: true });
  #mode = new ModeChoice("trace-mode");
  #columns = el("textarea", {
    id: "trace-columns",
    rows: 3,
    spellcheck: false,
    autocapitalize: "off",
    placeholder: "path(file)\ncount",
  });
  #where = input("trace-where", { placeholder: "ret<0 latency>1ms" });
  #duration = input("trace-duration", { inputMode: "decimal" });
  #id = input("trace-id", { maxLength: 32 });
  #signature = el("p", { class: "trace__signature", role: "status" });
  #search = new FunctionSearch(this.#name, () => this.#kind.value, {
    found: () => {
      this.#showFound();
      this.#showInstead();
    },
    failed: (words) => setText(this.#noList, words ? `No suggestions: ${sentence(words)}` : ""),
  });
  #noList = el("p", { class: "field__note" });
  #fields = {
    kind: new Field(this.#kind, "What to trace"),
    name: new Field(this.#name, "Name", "", this.#search.element, this.#signature, this.#noList),
    mode: new Field(this.#mode.control, "Mode", "", this.#mode.element),
    columns: new Field(this.#columns, "Columns", "One expression per line; empty: all arguments."),
    where: new Field(this.#where, "Where", "A filter; empty: all calls."),
    duration: new Field(this.#duration, "Stop automatically after (seconds)"),
    id: new Field(this.#id, "Name of the probe"),
  };
  #fault = el("p", { class: "options__fault", role: "alert", hidden: true });
  #submit = el("button", { type: "submit", class: "button button--primary" }, "Start");
  #dialog;

  /**
   * @param {{probes: () => Probe[], answer: (probes: Probe[]) => void}} on  `answer`: as ProbeBar's
   */
  constructor(on) {
    this.#on = on;
    const form = el(
      "form",
      { method: "dialog", noValidate: true },
      ...Object.values(this.#fields).map(({ element }) => element),
      this.#fault,
      el("div", { class: "options__actions" }, closeButton("Cancel"), this.#submit),
    );
    this.#fields.name.element.classList.add("field--name");
    this.#dialog = dialog("trace", "Trace a function", form);
    this.#opener.addEventListener("click", () => this.open());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#kind.addEventListener("change", () => {
      this.#search.reset();
      this.#showFound();
    });
    // Before what the search shows of the new name.
    this.#name.addEventListener("input", () => this.#fields.name.show(""), { capture: true });
    this.#id.addEventListener("input", () => {
      this.#isIdOwn = this.#id.value !== "";
    });
  }

  /** @param {{role: string}} caller  who is signed in */
  allow({ role }) {
    this.#opener.disabled = role !== "operator";
    byId("empty-trace").disabled = role !== "operator";
    setAttribute(this.#opener, "aria-describedby", role === "operator" ? null : VIEWS_ONLY_ID);
  }

  /** Open the form as it was left. */
  open() {
    if (this.#again) this.#fill({});
    this.#again = null;
    this.#show();
  }

  /** Open the form to start a probe again that has a target. @param {Probe} probe */
  openFor(probe) {
    const { kind, name } = probe.target;
    const { id, mode, where, expressions, duration_s: seconds } = probe;
    const columns = (expressions ?? []).join("\n");
    const duration = seconds === null ? "" : String(seconds);
    this.#fill({ kind, name, mode, columns, where: where ?? "", duration, id });
    this.#again = id;
    this.#isIdOwn = true;
    this.#show();
  }

  /** @param {Partial<Typed>} typed */
  #fill({
    kind = KINDS[0].kind,
    name = "",
    mode = "",
    columns = "",
    where = "",
    duration = "",
    id = "",
  }) {
    this.#kind.value = kind;
    this.#name.value = name;
    this.#columns.value = columns;
    this.#where.value = where;
    this.#duration.value = duration;
    this.#id.value = id;
    this.#isIdOwn = id !== "";
    this.#showFound();
    this.#mode.control.value = mode;
  }

  #show() {
    this.#showFaults([]);
    this.#search.reset();
    this.#showFound();
    this.#dialog.showModal();
    this.#name.focus();
  }

  get #taken() {
    return new Set(
      this.#on
        .probes()
        .map(({ id }) => id)
        .filter((id) => id !== this.#again),
    );
  }

  /** Show what is known of the name: signature, modes, and the proposed name of the probe. */
  #showFound() {
    const found = this.#search.chosen;
    this.#name.placeholder = KINDS.find(({ kind }) => kind === this.#kind.value)?.example ?? "";
    setText(this.#signature, visibleText(found?.signature ?? ""));
    this.#mode.show(modesOf(this.#kind.value, found, this.#on.probes()));
    if (!this.#isIdOwn) this.#id.value = proposedId(this.#name.value.trim(), this.#taken);
  }

  /** Offer what can be traced if no mode can trace what was typed. */
  #showInstead() {
    const fixes = insteadOf(this.#search.chosen).map(({ kind, name }) => ({
      words: name,
      act: () => this.#take({ kind, name }),
    }));
    if (fixes.length > 0)
      this.#fields.name.show("No mode can trace it. Trace this instead.", fixes);
  }

  #take({ kind, name }) {
    if (KINDS.some((it) => it.kind === kind)) this.#kind.value = kind;
    this.#name.value = name;
    this.#fields.name.show("");
    this.#search.reset();
    this.#showFound();
    this.#name.focus();
  }

  /** @returns {Typed} */
  #typed() {
    return {
      kind: this.#kind.value,
      name: this.#name.value,
      mode: this.#mode.control.value,
      columns: this.#columns.value,
      where: this.#where.value,
      duration: this.#duration.value,
      id: this.#id.value,
    };
  }

  async #send() {
    const typed = this.#typed();
    const { id, body, faults } = parseForm(typed);
    this.#showFaults(faults);
    if (faults.length > 0) return;
    this.#submit.disabled = true;
    try {
      const probe = await changes.during(id, () => startProbe(id, body));
      this.#on.answer([probe]);
      this.#dialog.close();
      this.#fill({});
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      const found = faultsOf(error, typed, proposedId(id, this.#taken.add(id)));
      this.#showFaults(found);
      const other = found.filter(({ field }) => field === "").map(({ message }) => message);
      if (found.length === 0) other.push(error.message, ...error.notes);
      this.#showFault(other.map(sentence).join(" "));
    } finally {
      this.#submit.disabled = false;
    }
  }

  /** @param {any[]} faults  FieldFaults: those of one field are shown together */
  #showFaults(faults) {
    for (const name of NAMES) {
      const own = faults.filter(({ field }) => field === name);
      const fixes = own.flatMap((fault) =>
        fault.fixes.map(({ words, text }) => ({ words, act: () => this.#fix(name, text) })),
      );
      this.#fields[name].show(own.map(({ message }) => sentence(message)).join(" "), fixes);
    }
    this.#showFault("");
    const first = NAMES.find((name) => faults.some(({ field }) => field === name));
    if (first) this.#fields[first].control.focus();
  }

  #fix(name, text) {
    const field = this.#fields[name];
    field.control.value = text;
    field.show("");
    if (name === "name") this.#search.reset();
    if (name === "id") this.#isIdOwn = true;
    this.#showFound();
    field.control.focus();
  }

  #showFault(text) {
    setText(this.#fault, text);
    this.#fault.hidden = !text;
  }
}

function input(id, more) {
  return el("input", {
    type: "text",
    id,
    autocomplete: "off",
    spellcheck: false,
    autocapitalize: "off",
    ...more,
  });
}
