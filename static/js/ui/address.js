// The URL's fragment as named parameters, `#filter=...&sort=-latency_ns`: what someone must
// have who is sent the address. Commas and the like stay readable.

export class Address {
  #listeners = new Set();

  constructor() {
    addEventListener("hashchange", () => {
      for (const listener of this.#listeners) listener();
    });
  }

  /** A parameter's value, null when it is not there. */
  get(name) {
    return new URLSearchParams(location.hash.slice(1)).get(name);
  }

  /** Set or, with null, remove a parameter, without a new entry in the browser's history. */
  set(name, value) {
    if (this.get(name) === value) return;
    const parameters = new URLSearchParams(location.hash.slice(1));
    if (value === null) parameters.delete(name);
    else parameters.set(name, value);
    const fragment = parameters.toString().replaceAll("%2C", ",");
    history.replaceState(history.state, "", `${location.pathname}${fragment && `#${fragment}`}`);
  }

  /** Be told when the person edited the address, or followed a link within the page. */
  onChange(listener) {
    this.#listeners.add(listener);
  }
}
