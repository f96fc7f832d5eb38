// The parameters of the address's fragment: what a colleague is to see who gets the address.

/** @returns {?string} null when there is none */
export function get(name) {
  return parameters().get(name);
}

/** Set or, with null, remove a parameter; the history gets no new entry. */
export function set(name, value) {
  const all = parameters();
  if (value === null) all.delete(name);
  else all.set(name, value);
  history.replaceState(history.state, "", all.size > 0 ? `#${all}` : location.pathname + location.search);
}

function parameters() {
  return new URLSearchParams(location.hash.slice(1));
}
