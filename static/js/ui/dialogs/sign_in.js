// SPDX-License-Identifier: Apache-2.0

// The dialog that asks for a token when the service refuses access.

import { credentials } from "../../net/credentials.js";
import { CallError } from "../../net/problem.js";
import { byId, setText } from "../page/dom.js";

/** Error codes of docs/protocol.md for which a token helps. */
const HELPED = new Set(["forbidden", "token_needed", "bad_token"]);
/** Error codes of a page that cannot use tokens. */
const REFUSED = new Set(["insecure_page"]);

export class SignIn {
  #dialog = byId("signin");
  #form = byId("signin-form");
  #field = byId("signin-token");
  #why = byId("signin-why");
  #onToken;

  /** @param {() => void} onToken  called when another token is set */
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

  /** @param {CallError} error  @returns {boolean} whether the dialog handles this error */
  ask(error) {
    if (!HELPED.has(error.code) && !REFUSED.has(error.code)) return false;
    const isOfToken = error.code === "bad_token" || REFUSED.has(error.code);
    if (error.code === "bad_token") credentials.forget();
    // An open dialog already shows the cause; a missing token is its consequence.
    if (isOfToken || !this.#dialog.open)
      setText(
        this.#why,
        [error.message, ...(REFUSED.has(error.code) ? error.notes : [])].join(" "),
      );
    if (!this.#dialog.open) this.#dialog.showModal();
    return true;
  }

  /** Close the dialog: access was granted by other means, such as a restart of the service. */
  done() {
    if (this.#dialog.open) this.#dialog.close();
  }
}

/** Extract the token from a pasted URL. */
function fromAddress(text) {
  return /[#&]token=([^&\s]+)/.exec(text)?.[1] ?? text;
}
