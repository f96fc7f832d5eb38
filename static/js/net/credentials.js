// SPDX-License-Identifier: Apache-2.0

// The access token of this tab (docs/security.md). It comes from the URL's fragment, which
// browsers never send, or is typed. The page never sends it either, since another program may own
// the port when the page reconnects. It sends a proof, verifies the service's proof, and uses the
// session that it receives, which ends with the service.

import { deleteKey, readKey, writeKey } from "./key_store.js";
import { CallError, problemError } from "./problem.js";
import { canProve, clientProof, isServerProof, keyOf, newNonce } from "./proof.js";

const PARAMETER = "token";
const PATH = "/session";

/**
 * Remove the token from the address, so that it is not displayed, copied or kept in the history.
 *
 * @param {Location} location  @param {History} history
 * @returns {?string} the token, null if there was none
 */
export function takeFromAddress(location, history) {
  const parts = location.hash.slice(1).split("&");
  const prefix = `${PARAMETER}=`;
  const given = parts.find((part) => part.startsWith(prefix));
  if (given === undefined) return null;
  const rest = parts.filter((part) => !part.startsWith(prefix)).join("&");
  history.replaceState(
    history.state,
    "",
    `${location.pathname}${location.search}${rest && `#${rest}`}`,
  );
  return given.slice(prefix.length) || null;
}

export class Credentials {
  #key = null;
  #session = null;
  #signingIn = null;
  #isRead = false;
  #store;
  #origin;

  /** @param {object} store  of keys, as key_store.js  @param {string} origin  the page's own */
  constructor(store = { deleteKey, readKey, writeKey }, origin = globalThis.location?.origin) {
    this.#store = store;
    this.#origin = origin;
  }

  /**
   * Use this token from now on.
   * @throws {CallError} if the browser does not let the page use keys
   */
  async use(token) {
    if (!canProve())
      throw new CallError("Signing in needs HTTPS, or a browser on the traced machine.", {
        code: "insecure_page",
        notes: ["Open the console at https://… or at http://localhost:PORT."],
      });
    this.#key = await keyOf(token);
    this.#isRead = true;
    this.#session = null;
    this.#signingIn = null;
    await this.#keep();
  }

  /** Whether a token is set. */
  get isSet() {
    return this.#key !== null;
  }

  async forget() {
    this.#key = this.#session = this.#signingIn = null;
    this.#isRead = true;
    try {
      await this.#store.deleteKey();
    } catch (error) {
      console.warn("The browser could not delete the token's key:", error);
    }
  }

  /**
   * Sign in before connecting: the service proves again that it knows the token. Without a token
   * this does nothing.
   * @throws {CallError}
   */
  async signIn() {
    await this.#read();
    if (this.#key === null) return;
    this.#signingIn ??= this.#exchange(this.#key).finally(() => {
      this.#signingIn = null;
    });
    await this.#signingIn;
  }

  /** Return the headers for a request; sign in first if necessary. */
  async authorization() {
    if (this.#session === null) await this.signIn();
    return this.#session === null ? {} : { Authorization: `Bearer ${this.#session}` };
  }

  /** Return the subprotocols for a websocket, which cannot have headers. */
  subprotocols() {
    return this.#session === null ? [] : ["probedeck.v1", `bearer.${this.#session}`];
  }

  /** Drop the session of these headers, which has ended: the next call signs in again. */
  leave(authorization) {
    if (authorization === `Bearer ${this.#session}`) this.#session = null;
  }

  async #read() {
    if (this.#isRead) return;
    this.#isRead = true;
    try {
      this.#key ??= await this.#store.readKey();
    } catch (error) {
      console.warn("The browser cannot store keys, so a reload will ask for the token:", error);
    }
  }

  async #keep() {
    try {
      await this.#store.writeKey(this.#key);
    } catch (error) {
      console.warn("The browser cannot store keys, so a reload will ask for the token:", error);
    }
  }

  async #exchange(key) {
    this.#session = null;
    const origin = this.#origin;
    const { challenge } = await ask("GET");
    if (!/^[0-9a-f.]{1,200}$/.test(challenge)) throw stranger();
    const nonce = newNonce();
    const mac = await clientProof(key, { origin, challenge, nonce });
    const credentials = `challenge=${challenge}, nonce=${nonce}, mac=${mac}`;
    const opened = await ask("POST", { Authorization: `Probedeck-Proof ${credentials}` });
    if (!(await isServerProof(key, { origin, challenge, nonce, ...opened }))) throw stranger();
    if (key !== this.#key) return; // the token was replaced in the meantime
    this.#session = opened.session;
    await this.#keep();
  }
}

/** The credentials of this page. */
export const credentials = new Credentials();

function stranger() {
  return new CallError("The program at this address does not know your token.", {
    code: "stranger",
    notes: ["Another program may be using the port. The token was not sent."],
  });
}

async function ask(method, headers = {}) {
  let response;
  let answer = null;
  try {
    response = await fetch(PATH, { method, headers, redirect: "error", cache: "no-store" });
    answer = await response.json();
  } catch (error) {
    if (response) throw stranger();
    throw new CallError("The service cannot be reached. Check that it is running.", {
      notes: [error.message],
    });
  }
  if (answer === null || typeof answer !== "object") throw stranger();
  if (!response.ok && typeof answer.code !== "string") throw stranger();
  if (!response.ok) throw problemError(response.status, answer);
  return answer;
}
