// SPDX-License-Identifier: Apache-2.0

// The page's address: its fragment holds what a colleague should see, as named parameters,
// `#filter=comm%3Drm&sort=time`. Unknown parameters are preserved.

const WRITE_MS = 300; // browsers throttle pages that change their address at every key

/** @returns {?string} a parameter's value; null if it is absent or malformed */
export function readParameter(fragment, name) {
  const found = parametersOf(fragment).find((it) => nameOf(it) === name);
  const value = found?.slice(found.indexOf("=") + 1);
  return found?.includes("=") ? decoded(value) : null;
}

/** Whether a parameter is present but malformed, as with a truncated escape. */
export function isUnreadable(fragment, name) {
  const found = parametersOf(fragment).find((it) => nameOf(it) === name);
  return Boolean(found?.includes("=")) && readParameter(fragment, name) === null;
}

/** Return the fragment with a parameter set to a value, or removed if that is null. */
export function writeParameter(fragment, name, value) {
  const parameters = parametersOf(fragment);
  const place = parameters.findIndex((it) => nameOf(it) === name);
  const others = parameters.filter((it) => nameOf(it) !== name);
  if (value !== null) {
    others.splice(place < 0 ? others.length : place, 0, `${encode(name)}=${encode(value)}`);
  }
  return others.length > 0 ? `#${others.join("&")}` : "";
}

function parametersOf(fragment) {
  return fragment
    .replace(/^#/, "")
    .split("&")
    .filter((it) => it !== "");
}

function nameOf(parameter) {
  return decoded(parameter.split("=", 1)[0]);
}

/** Encode only what the URL standard requires, so that the address stays readable. */
function encode(text) {
  return encodeURIComponent(wellFormed(text)).replace(
    /%(?:2F|3A|2C|40|3D|21|7E|2A|28|29)/g,
    decodeURIComponent,
  );
}

/** Replace lone surrogates, which an address cannot contain. */
function wellFormed(text) {
  return text.replace(/\p{Cs}/gu, "\ufffd");
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // a truncated escape: not ours
  }
}

/**
 * How a change enters the browser's history. A user's decision is an entry of its own, so that
 * Back undoes it; text being typed is one entry until it is `done`; what the page adds
 * automatically becomes part of the current entry.
 */
export const DECIDED = "decided";
export const TYPED = "typed";
export const ADDED = "added";

/** Writes the address, with a delay, and reports changes made by the user or a link. */
export class Address {
  #pending = new Map();
  #kind = ADDED; // of the pending changes
  #isTyping = false; // whether the current entry is text being typed
  #timer = 0;
  #listeners = [];

  constructor() {
    addEventListener("hashchange", () => {
      clearTimeout(this.#timer);
      this.#timer = 0;
      this.#isTyping = false;
      this.#pending.clear(); // the user's change is newer than what the page wanted to write
      for (const listener of this.#listeners) listener();
    });
  }

  /** @param {() => void} listener  called when the fragment was changed, but not by `set` */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /** @returns {?string} */
  get(name) {
    return this.#pending.has(name) ? this.#pending.get(name) : readParameter(location.hash, name);
  }

  /** Whether the address has a malformed value for a parameter. */
  isUnreadable(name) {
    return !this.#pending.has(name) && isUnreadable(location.hash, name);
  }

  /**
   * @param {?string} value  null removes the parameter
   * @param {"decided"|"typed"|"added"} kind  what is decided at once is one entry
   */
  set(name, value, kind = DECIDED) {
    if (this.get(name) === value) return;
    if (this.#pending.size > 0 && this.#kind !== kind && kind !== ADDED) this.#write();
    if (this.#pending.size === 0 || kind !== ADDED) this.#kind = kind;
    this.#pending.set(name, value);
    this.#timer ||= setTimeout(() => this.#write(), this.#kind === DECIDED ? 0 : WRITE_MS);
  }

  /** Typing is complete: what is typed next is another entry. */
  done() {
    this.#write();
    this.#isTyping = false;
  }

  #write() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    let fragment = location.hash;
    for (const [name, value] of this.#pending) fragment = writeParameter(fragment, name, value);
    this.#pending.clear();
    if (fragment === location.hash) return;
    // With the path: an empty fragment alone would leave a `#` in the address.
    const url = location.pathname + location.search + fragment;
    const isNew = this.#kind === DECIDED || (this.#kind === TYPED && !this.#isTyping);
    if (isNew) history.pushState(history.state, "", url);
    else history.replaceState(history.state, "", url);
    if (this.#kind !== ADDED) this.#isTyping = this.#kind === TYPED;
  }
}
