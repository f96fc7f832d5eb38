// SPDX-License-Identifier: Apache-2.0

// The dialog for a probe's start options, or for the filter of a running probe.

import { sentence } from "../../format/text.js";
import { CallError } from "../../net/problem.js";
import { isActive } from "../../probes/choice.js";
import { parseOptions, seesReturn } from "../../probes/spec.js";
import { columnsWithPath } from "../../probes/target.js";
import { byId, setAttribute, setText } from "../page/dom.js";

const TEXT_FIELDS = ["pid", "uid", "process", "comm", "duration"];

export class OptionsDialog {
  #dialog = byId("options");
  #form = byId("options-form");
  #fault = byId("options-fault");
  #submit = byId("options-submit");
  #probe = null;
  #onSubmit;

  /** @param {(probe: object, spec: object) => Promise} onSubmit  may throw CallError */
  constructor(onSubmit) {
    this.#onSubmit = onSubmit;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    byId("options-cancel").addEventListener("click", () => this.#dialog.close());
  }

  open(probe) {
    this.#probe = probe;
    const active = isActive(probe);
    const { elements } = this.#form;
    setText(byId("options-title"), active ? `Filter of ${probe.id}` : `Start ${probe.id}`);
    setText(this.#submit, active ? "Apply for everyone" : "Start");
    byId("options-everyone").hidden = !active;
    for (const name of ["pid", "uid", "process", "comm"])
      elements[name].value = probe.filter?.[name] ?? "";
    elements.only_failures.checked = probe.filter?.only_failures ?? false;
    elements.only_failures.disabled = !seesReturn(probe);
    byId("only-failures-note").hidden = seesReturn(probe);
    elements.duration.value = "";
    elements.duration.closest(".field").hidden = active;
    elements.restart.checked = false;
    byId("options-restart").hidden = active;
    elements.paths.checked = probe.expressions?.includes("path") ?? false;
    byId("options-paths").hidden = active;
    this.#showErrors({});
    this.#dialog.showModal();
  }

  async #send() {
    const { spec, errors } = parseOptions(this.#typed());
    this.#showErrors(errors);
    if (Object.keys(errors).length > 0) return;
    this.#submit.disabled = true;
    try {
      await this.#onSubmit(this.#probe, spec);
      this.#dialog.close();
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#showFault([error.message, ...error.notes].map(sentence).join(" "));
    } finally {
      this.#submit.disabled = false;
    }
  }

  #typed() {
    const { elements } = this.#form;
    /** @type {any} */
    const typed = {
      only_failures: elements.only_failures.checked,
      restart: elements.restart.checked,
      columns: elements.paths.checked ? columnsWithPath(this.#probe.mode) : null,
    };
    for (const name of TEXT_FIELDS) typed[name] = elements[name].value;
    return typed;
  }

  #showErrors(errors) {
    for (const name of TEXT_FIELDS) {
      setText(byId(`${name}-fault`), errors[name] ?? "");
      setAttribute(this.#form.elements[name], "aria-invalid", errors[name] ? "true" : null);
    }
    this.#showFault("");
    const [first] = Object.keys(errors);
    if (first) this.#form.elements[first].focus();
  }

  #showFault(text) {
    setText(this.#fault, text);
    this.#fault.hidden = !text;
  }
}
