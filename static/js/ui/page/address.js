// SPDX-License-Identifier: Apache-2.0

// The page's address: what a colleague must see stands in its fragment, as named parameters,
// `#filter=comm%3Drm&sort=time`. What this page does not know there is left as it is.

const WRITE_MS = 300; // browsers refuse a page that changes its address at every key

/** @returns {?string} a parameter's value; null when it is not there, or is rubbish */
export function readParameter(fragment, name) {
  const found = parametersOf(fragment).find((it) => nameOf(it) === name);
  const value = found?.slice(found.indexOf("=") + 1);
  return found?.includes("=") ? decoded(value) : null;
}

/** Whether a parameter is there and cannot be read, as with half an escape. */
export function isUnreadable(fragment, name) {
  const found = parametersOf(fragment).find((it) => nameOf(it) === name);
  return Boolean(found?.includes("=")) && readParameter(fragment, name) === null;
}

/** The fragment with another value for a parameter, or with null without it. */
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

/** Readable where the standard for addresses allows it. */
function encode(text) {
  return encodeURIComponent(wellFormed(text)).replace(
    /%(?:2F|3A|2C|40|3D|21|7E|2A|28|29)/g,
    decodeURIComponent,
  );
}

/** Half of a surrogate pair cannot stand in an address. */
function wellFormed(text) {
  return text.replace(/\p{Cs}/gu, "\ufffd");
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // half an escape: not ours
  }
}

/**
 * How a change goes into the browser's history. What a person decides is an entry of its own, so
 * that Back undoes it; what is being typed is one entry until it is `done`; what the page adds by
 * itself belongs to the entry that is there.
 */
export const DECIDED = "decided";
export const TYPED = "typed";
export const ADDED = "added";

/** Writes the address, a little later, and tells of changes that a person or link made. */
export class Address {
  #pending = new Map();
  #kind = ADDED; // of what is pending
  #isTyping = false; // the present entry is what is being typed
  #timer = 0;
  #listeners = [];

  constructor() {
    addEventListener("hashchange", () => {
      clearTimeout(this.#timer);
      this.#timer = 0;
      this.#isTyping = false;
      this.#pending.clear(); // what a person asks for comes later than what the page wanted
      for (const listener of this.#listeners) listener();
    });
  }

  /** @param {() => void} listener  the fragment was changed, not by `set` */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /** @returns {?string} */
  get(name) {
    return this.#pending.has(name) ? this.#pending.get(name) : readParameter(location.hash, name);
  }

  /** Whether the address has a value that cannot be read. */
  isUnreadable(name) {
    return !this.#pending.has(name) && isUnreadable(location.hash, name);
  }

  /**
   * @param {?string} value  null takes the parameter away
   * @param {"decided"|"typed"|"added"} kind  what is decided in one go is one entry
   */
  set(name, value, kind = DECIDED) {
    if (this.get(name) === value) return;
    if (this.#pending.size > 0 && this.#kind !== kind && kind !== ADDED) this.#write();
    if (this.#pending.size === 0 || kind !== ADDED) this.#kind = kind;
    this.#pending.set(name, value);
    this.#timer ||= setTimeout(() => this.#write(), this.#kind === DECIDED ? 0 : WRITE_MS);
  }

  /** What was typed is complete: what is typed next is another entry. */
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
    // With an empty fragment `#` would stay behind, were the path left out.
    const url = location.pathname + location.search + fragment;
    const isNew = this.#kind === DECIDED || (this.#kind === TYPED && !this.#isTyping);
    if (isNew) history.pushState(history.state, "", url);
    else history.replaceState(history.state, "", url);
    if (this.#kind !== ADDED) this.#isTyping = this.#kind === TYPED;
  }
}
