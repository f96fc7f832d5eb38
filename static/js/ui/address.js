// The parameters of the address's fragment: what a colleague is to see who gets the address.

export class Address {
  /** @param {() => void} listener  the fragment was changed, not by `set` */
  onChange(listener) {
    addEventListener("hashchange", listener);
  }

  /** @returns {?string} null when there is none */
  get(name) {
    return parameters().get(name);
  }

  /** @param {?string} value  null takes the parameter away; the history gets no new entry */
  set(name, value) {
    const all = parameters();
    if (value === null) all.delete(name);
    else all.set(name, value);
    const fragment = all.size > 0 ? `#${all}` : "";
    history.replaceState(history.state, "", location.pathname + location.search + fragment);
  }
}

function parameters() {
  return new URLSearchParams(location.hash.slice(1));
}
