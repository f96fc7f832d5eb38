// SPDX-License-Identifier: Apache-2.0

// The proofs that the page and the service exchange when the page signs in (docs/security.md).

const PURPOSE = "probedeck sign-in 1";
const encoder = new TextEncoder();

/** Whether this page may use keys: browsers allow it over TLS and on localhost. */
export const canProve = () => globalThis.crypto?.subtle !== undefined;

/**
 * Return the key of a token as a CryptoKey that no script can extract.
 * @param {string} token  @returns {Promise<CryptoKey>}
 */
export async function keyOf(token) {
  const digest = hex(await crypto.subtle.digest("SHA-256", encoder.encode(token)));
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", encoder.encode(digest), algorithm, false, [
    "sign",
    "verify",
  ]);
}

export const newNonce = () => hex(crypto.getRandomValues(new Uint8Array(32)));

/** @returns {Promise<string>} the page's proof, valid for the service at `origin` only */
export async function clientProof(key, { origin, challenge, nonce }) {
  const text = joined("client", origin, challenge, nonce);
  return hex(await crypto.subtle.sign("HMAC", key, text));
}

/** @returns {Promise<boolean>} whether the service that opened `session` knows the token */
export async function isServerProof(key, { origin, challenge, nonce, session, mac }) {
  if (typeof mac !== "string" || typeof session !== "string") return false;
  if (!/^[0-9a-f]{64}$/.test(mac)) return false;
  const bytes = Uint8Array.from(mac.match(/../g), (pair) => Number.parseInt(pair, 16));
  const text = joined("server", origin, challenge, nonce, session);
  return crypto.subtle.verify("HMAC", key, bytes, text);
}

function joined(...parts) {
  return encoder.encode([PURPOSE, ...parts].join("\n"));
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
