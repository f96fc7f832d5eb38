// SPDX-License-Identifier: Apache-2.0

// The export button and its dialog, which saves events as a file.

import { fileName } from "../../export/file_names.js";
import { FORMATS } from "../../export/formats.js";
import { writeExport } from "../../export/run.js";
import { snapshotOfStore, snapshotOfView } from "../../export/snapshot.js";
import { counted } from "../../format/number.js";
import { sentence } from "../../format/text.js";
import { byId, el, setText } from "../page/dom.js";
import { closeButton, dialog } from "./dialog.js";

/** @import { EventStore } from "../../data/store.js" */
/** @import { View } from "../../data/view.js" */

const FILE_KEPT_MS = 60_000; // a browser that asks where to save reads the file only after the answer

export class ExportDialog {
  #store;
  #view;
  #host;
  #snapshots = {};
  #running = null;
  #status = el("p", { class: "export__status", role: "status" });
  #note = el("p", { class: "export__note" });
  #progress = el("progress", {
    class: "export__progress",
    max: 1,
    "aria-label": "Export progress",
    hidden: true,
  });
  #save = el("button", { type: "submit", class: "button button--primary" }, "Save");
  #close = closeButton("Close");
  #rows = {
    shown: radio("rows", "shown"),
    held: radio("rows", "held"),
  };
  #form;
  #dialog;

  /** @param {EventStore} store  @param {View} view  @param {() => string} host  for the file's name */
  constructor(store, view, host) {
    this.#store = store;
    this.#view = view;
    this.#host = host;
    const button = el(
      "button",
      { type: "button", class: "button", "aria-keyshortcuts": "e" },
      "Export",
    );
    button.addEventListener("click", () => this.open());
    byId("tools").append(button);
    this.#form = this.#makeForm();
    this.#dialog = dialog("export", "Export events", this.#form);
    this.#dialog.addEventListener("close", () => this.#closed());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#write();
    });
    this.#form.addEventListener("change", () => this.#choose());
  }

  /** Open the dialog with the events of this moment: later ones are not in the file. */
  open() {
    this.#snapshots = {
      shown: snapshotOfView(this.#store, this.#view),
      held: snapshotOfStore(this.#store),
    };
    const { shown, held } = this.#snapshots;
    setText(this.#rows.shown.words, `Filtered events: ${counted(shown.length, "event")}`);
    setText(this.#rows.held.words, `All events in memory: ${counted(held.length, "event")}`);
    setText(this.#status, "");
    this.#choose();
    this.#dialog.showModal();
  }

  #makeForm() {
    const formats = FORMATS.map(({ name, title, help }, i) => {
      const choice = radio("format", name, i === 0);
      choice.words.append(el("strong", {}, title), el("span", { class: "export__help" }, help));
      return choice.element;
    });
    this.#rows.shown.input.checked = true;
    return el(
      "form",
      { method: "dialog", class: "export" },
      group("Events", this.#rows.shown.element, this.#rows.held.element),
      group("Format", ...formats),
      this.#note,
      this.#progress,
      this.#status,
      el("div", { class: "options__actions" }, this.#close, this.#save),
    );
  }

  #choose() {
    const { length, gaps } = this.#snapshot;
    this.#save.disabled = this.#running !== null || length === 0;
    const places = counted(gaps.length, "place");
    setText(
      this.#note,
      gaps.length > 0 ? `Events are missing in ${places}; NDJSON records where.` : "",
    );
  }

  get #snapshot() {
    return this.#snapshots[this.#form.elements.rows.value];
  }

  async #write() {
    const snapshot = this.#snapshot;
    const format = FORMATS.find(({ name }) => name === this.#form.elements.format.value);
    const running = new AbortController();
    this.#running = running;
    this.#busy(true);
    setText(this.#status, `Writing ${counted(snapshot.length, "event")}…`);
    try {
      const progress = (done) => (this.#progress.value = done / snapshot.length);
      const file = await writeExport(snapshot, format, { signal: running.signal, progress });
      const name = fileName(this.#host(), new Date(), format.extension);
      save(file, name);
      setText(
        this.#status,
        `Saved ${counted(snapshot.length, "event")} as ${name}, ${counted(file.size, "byte")}.`,
      );
    } catch (error) {
      if (running.signal.aborted) return;
      setText(this.#status, `Export failed: ${sentence(error.message)}`);
      throw error; // and log it to the browser's console, with its stack
    } finally {
      if (this.#running === running) {
        this.#running = null;
        this.#busy(false);
      }
    }
  }

  #busy(isBusy) {
    this.#progress.hidden = !isBusy;
    this.#progress.value = 0;
    setText(this.#close, isBusy ? "Cancel" : "Close");
    for (const group of this.#form.querySelectorAll("fieldset")) group.disabled = isBusy;
    this.#choose();
  }

  /** Abort the export and release the rows. */
  #closed() {
    this.#running?.abort();
    this.#running = null;
    this.#busy(false);
    this.#snapshots = {};
  }
}

function group(title, ...children) {
  return el("fieldset", { class: "export__group" }, el("legend", {}, title), ...children);
}

function radio(name, value, checked = false) {
  const input = el("input", { type: "radio", name, value, checked });
  const words = el("span", { class: "export__words" });
  return { input, words, element: el("label", { class: "export__choice" }, input, words) };
}

function save(file, name) {
  const url = URL.createObjectURL(file);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), FILE_KEPT_MS);
}
