// SPDX-License-Identifier: Apache-2.0

// Preferences in localStorage. It can be forbidden, full, or hold anything: the page works without
// it, but forgets.

const PREFIX = "probedeck.";

/** Return the text remembered under a name, null if there is none. */
export function remembered(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}

export function remember(name, text) {
  try {
    localStorage.setItem(PREFIX + name, text);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}
