// SPDX-License-Identifier: Apache-2.0

// Asking for a token, when the service does not let this page in.

import { credentials } from "../../net/credentials.js";
import { CallError } from "../../net/problem.js";
import { byId, setText } from "../page/dom.js";

/** Codes of docs/protocol.md that a token would help against. */
const HELPED = new Set(["forbidden", "token_needed", "bad_token"]);
/** Where the page can use none. */
const REFUSED = new Set(["insecure_page"]);

export class SignIn {
  #dialog = byId("signin");
  #form = byId("signin-form");
  #field = byId("signin-token");
  #why = byId("signin-why");
  #onToken;

  /** @param {() => void} onToken  there is another token now */
  constructor(onToken) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = this.#field.value.trim();
      if (!typed) return;
      this.#field.value = "";
      this.#dialog.close();
      this.use(fromAddress(typed));
    });
    this.#onToken = onToken;
  }

  /** @param {string} token  typed, or from the address */
  async use(token) {
    try {
      await credentials.use(token);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.ask(error);
      return;
    }
    this.#onToken();
  }

  /** @param {CallError} error  @returns {boolean} whether it is one that a token would help */
  ask(error) {
    if (!HELPED.has(error.code) && !REFUSED.has(error.code)) return false;
    const isOfToken = error.code === "bad_token" || REFUSED.has(error.code);
    if (error.code === "bad_token") credentials.forget();
    // Open already, it says why; that there is no token now is the consequence.
    if (isOfToken || !this.#dialog.open)
      setText(
        this.#why,
        [error.message, ...(REFUSED.has(error.code) ? error.notes : [])].join(" "),
      );
    if (!this.#dialog.open) this.#dialog.showModal();
    return true;
  }

  /** Let in after all: by a token typed in another way, or because the service was started anew. */
  done() {
    if (this.#dialog.open) this.#dialog.close();
  }
}

/** People paste the whole address as it was shown. */
function fromAddress(text) {
  return /[#&]token=([^&\s]+)/.exec(text)?.[1] ?? text;
}
