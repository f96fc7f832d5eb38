// SPDX-License-Identifier: Apache-2.0

// What this browser remembers. Storage can be forbidden or full, and hold anything: without it
// the page works and forgets.

const PREFIX = "probedeck.";

/** The text remembered under a name, null when there is none. */
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
