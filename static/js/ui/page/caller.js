// SPDX-License-Identifier: Apache-2.0

// Whom the service takes this page for, what that lets the person do, and the way out.

import { visibleText } from "../../format/text.js";
import { credentials } from "../../net/credentials.js";
import { byId, setText } from "./dom.js";

const ROLES = { operator: "operator", viewer: "viewer, read-only" };

export class CallerLine {
  #words = byId("caller");
  #signOut = byId("sign-out");

  /** @param {() => void} onSignOut  the token is forgotten */
  constructor(onSignOut) {
    this.#signOut.addEventListener("click", async () => {
      await credentials.forget();
      onSignOut();
    });
  }

  /** @param {{name: string, role: string}} caller */
  allow({ name, role }) {
    setText(this.#words, `${visibleText(name)} · ${ROLES[role] ?? visibleText(String(role))}`);
    // Who came without a token has nothing to sign out of.
    this.#signOut.hidden = !credentials.isSet;
  }
}
