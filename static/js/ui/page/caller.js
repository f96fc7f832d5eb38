// SPDX-License-Identifier: Apache-2.0

// The line that shows who is signed in, with which role, and the button to sign out.

import { visibleText } from "../../format/text.js";
import { credentials } from "../../net/credentials.js";
import { byId, setText } from "./dom.js";

const ROLES = { operator: "operator", viewer: "viewer, read-only" };

export class CallerLine {
  #words = byId("caller");
  #signOut = byId("sign-out");

  /** @param {() => void} onSignOut  called when the token has been forgotten */
  constructor(onSignOut) {
    this.#signOut.addEventListener("click", async () => {
      await credentials.forget();
      onSignOut();
    });
  }

  /** @param {{name: string, role: string}} caller */
  allow({ name, role }) {
    setText(this.#words, `${visibleText(name)} · ${ROLES[role] ?? visibleText(String(role))}`);
    // Without a token there is nothing to sign out of.
    this.#signOut.hidden = !credentials.isSet;
  }
}
