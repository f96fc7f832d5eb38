// SPDX-License-Identifier: Apache-2.0

// Completion of the name of a function, system call or tracepoint, from GET /functions, or of a preset,
// from GET /presets, which are few and so are all offered at first. The answer to the newest text
// counts; earlier calls are aborted. Without an answer a name can still be typed.

import { listPresets, searchFunctions } from "../../net/api.js";
import { CallError } from "../../net/problem.js";
import { functionsOf, offersFor, presetsOf } from "../../probes/functions.js";
import { Completions } from "../filter/completions.js";

const PAUSE_MS = 150; // of typing, before the service is asked
const MOST = 50;

export class FunctionSearch {
  #input;
  #kind;
  #on;
  #timer = 0;
  #call = null;
  #functions = [];
  #completions;

  /**
   * @param {HTMLInputElement} input
   * @param {() => string} kind  which kind of target is wanted
   * @param {{found: () => void, failed: (words: string) => void}} on  `found`: `chosen` may be
   *   another; `failed`: why there are no completions, "" if there are
   */
  constructor(input, kind, on) {
    this.#input = input;
    this.#kind = kind;
    this.#on = on;
    this.#completions = new Completions(input, ({ insert }) => {
      input.value = insert;
      input.dispatchEvent(new Event("input"));
      this.#completions.close();
    });
    this.element = this.#completions.element;
    input.addEventListener("input", () => this.#later());
    input.addEventListener("blur", () => this.#completions.close());
    input.addEventListener("focus", () => {
      if (!input.value.trim() && !this.#needsText) this.#later();
    });
    input.addEventListener("keydown", (event) => {
      if (this.#completions.key(event)) event.preventDefault();
    });
  }

  /** The function whose name was typed, null if it is not known. */
  get chosen() {
    const name = this.#input.value.trim();
    return this.#functions.find((it) => it.name === name) ?? null;
  }

  get #needsText() {
    return this.#kind() !== "preset";
  }

  /** Forget what was found: the dialog was opened, or the kind changed. */
  reset() {
    this.#stop();
    this.#functions = [];
    this.#completions.close();
    if (this.#input.value.trim()) this.#ask(false);
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#call?.abort();
    this.#call = null;
  }

  #later() {
    this.#stop();
    this.#on.found();
    if (!this.#input.value.trim() && this.#needsText) return this.#completions.close();
    this.#timer = setTimeout(() => this.#ask(true), PAUSE_MS);
  }

  async #search(text, signal) {
    if (this.#kind() === "preset") return presetsOf(await listPresets(signal), text);
    return functionsOf(await searchFunctions(text, this.#kind(), MOST, signal));
  }

  async #ask(isOffered) {
    const call = new AbortController();
    this.#call = call;
    const text = this.#input.value.trim();
    try {
      const found = await this.#search(text, call.signal);
      if (call.signal.aborted) return;
      this.#functions = found;
      this.#on.failed("");
      const others = this.#functions.filter(({ name }) => name !== text);
      const isWanted = isOffered && document.activeElement === this.#input && !this.chosen;
      this.#completions.show(isWanted ? offersFor(others) : []);
    } catch (error) {
      if (call.signal.aborted) return;
      if (!(error instanceof CallError)) throw error;
      this.#functions = [];
      this.#completions.close();
      this.#on.failed(error.message);
    }
    this.#on.found();
  }
}
