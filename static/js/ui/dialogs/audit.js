// SPDX-License-Identifier: Apache-2.0

// The newest entries of the audit log, for operators.

import { visibleText } from "../../format/text.js";
import { auditEntries } from "../../net/api.js";
import { CallError } from "../../net/problem.js";
import { byId, el, setText } from "../page/dom.js";

const MAX_ENTRIES = 200;
const COLUMNS = ["Time", "User", "From", "Action", "Details", "Result"];

export class Audit {
  #button = byId("audit-open");
  #dialog = byId("audit");
  #list = byId("audit-list");
  #note = byId("audit-note");

  constructor() {
    this.#button.addEventListener("click", () => this.#open());
    byId("audit-close").addEventListener("click", () => this.#dialog.close());
  }

  /** @param {{role: string}} caller  who is signed in */
  allow({ role }) {
    this.#button.hidden = role !== "operator";
  }

  async #open() {
    setText(this.#note, "Loading…");
    this.#list.replaceChildren();
    this.#dialog.showModal();
    try {
      const { entries } = await auditEntries(MAX_ENTRIES);
      // Omit a request's "asked" entry if a later entry has its result.
      const told = entries.filter((entry, i) => !isAnswered(entry, entries.slice(i + 1)));
      setText(this.#note, told.length === 0 ? "No changes yet." : "Newest first.");
      this.#list.append(heading(), el("tbody", {}, ...told.reverse().map(line)));
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      setText(this.#note, [error.message, ...error.notes].join(" "));
    }
  }
}

function isAnswered(entry, later) {
  return (
    entry.result === "asked" &&
    later.some(
      (it) => it.result !== "asked" && it.peer === entry.peer && it.action === entry.action,
    )
  );
}

function heading() {
  const cells = COLUMNS.map((title) => el("th", { scope: "col" }, title));
  return el("thead", {}, el("tr", {}, ...cells));
}

function line({ time, who, peer, action, spec, result, code, damaged }) {
  if (damaged !== undefined) {
    return el("tr", {}, el("td", { colSpan: COLUMNS.length }, visibleText(damaged)));
  }
  const how = spec === null || spec === undefined ? "" : JSON.stringify(spec);
  const told = code ? `${result} ${code}` : String(result);
  return el("tr", {}, ...[time, who, peer, action, how, told].map(cell));
}

function cell(text) {
  return el("td", {}, visibleText(String(text)));
}
