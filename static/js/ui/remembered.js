// What this browser prefers, kept in its local storage. A browser may refuse to keep anything:
// then it is as on the first visit.

const PREFIX = "probedeck.";

/** @returns {?string} as it was set, by whatever version of the page */
export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch (error) {
    return refused(error);
  }
}

export function remember(name, text) {
  try {
    localStorage.setItem(PREFIX + name, text);
  } catch (error) {
    refused(error);
  }
}

function refused(error) {
  if (!(error instanceof DOMException)) throw error;
  return null;
}
