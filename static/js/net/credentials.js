// SPDX-License-Identifier: Apache-2.0

// The access token of this tab (docs/security.md): from the address' fragment, which browsers
// never send, into the tab's own storage, and from there into each request.

const KEY = "probedeck.token";
const PARAMETER = "token";

/**
 * Take a token out of the address, so that it is neither shown, copied nor kept in the history.
 *
 * @param {Location} location  @param {History} history  @param {Storage} storage
 * @returns {boolean} whether there was one
 */
export function takeFromAddress(location, history, storage) {
  const parts = location.hash.slice(1).split("&");
  const prefix = `${PARAMETER}=`;
  const given = parts.find((part) => part.startsWith(prefix));
  if (given === undefined) return false;
  const rest = parts.filter((part) => !part.startsWith(prefix)).join("&");
  history.replaceState(
    history.state,
    "",
    `${location.pathname}${location.search}${rest && `#${rest}`}`,
  );
  if (given.length <= prefix.length) return false;
  storage.setItem(KEY, given.slice(prefix.length));
  return true;
}

/** @returns {?string} */
export function token(storage = sessionStorage) {
  return storage.getItem(KEY);
}

export function remember(text, storage = sessionStorage) {
  storage.setItem(KEY, text);
}

export function forget(storage = sessionStorage) {
  storage.removeItem(KEY);
}

/** Headers for a request. */
export function authorization() {
  const known = token();
  return known ? { Authorization: `Bearer ${known}` } : {};
}

/** Subprotocols for a websocket, which can be given no header. */
export function subprotocols() {
  const known = token();
  return known ? ["probedeck.v1", `bearer.${known}`] : [];
}
