// SPDX-License-Identifier: Apache-2.0

// Errors in a filter, and where they are.

/** An invalid value; the message is for the user. */
export class FilterError extends Error {
  /**
   * @param {{text: string, isList?: boolean}[]} forms  what may have been meant instead: operator
   *   and value; `isList`: one of several values
   */
  constructor(message, forms = []) {
    super(message);
    this.forms = forms;
  }
}

/**
 * An error with its position in the filter's text: from `start` up to but not including `end`.
 * `fixes` are alternatives: `{start, end, insert}`, a replacement for a part of the filter.
 */
export class FilterFault extends FilterError {
  constructor(message, start, end, fixes = []) {
    super(message);
    this.start = start;
    this.end = end;
    this.fixes = fixes;
  }
}

/**
 * Return a fault of a filter with those fixes alone that put a faultless part in place.
 * @param {FilterFault} fault  @param {string} text
 * @param {(text: string) => readonly FilterFault[]} faultsOf
 */
export function withGoodFixes(fault, text, faultsOf) {
  const good = fault.fixes.filter((fix) => {
    const end = fix.start + fix.insert.length;
    // A fault elsewhere was there before.
    return !faultsOf(fixed(text, fix)).some((it) => it.start < end && fix.start < it.end);
  });
  return new FilterFault(fault.message, fault.start, fault.end, good);
}

/** Quote a part of the typed text for a message. */
export function quoted(text) {
  return `“${text}”`;
}

/** Return the filter's text with a fix applied. */
export function fixed(text, { start, end, insert }) {
  return text.slice(0, start) + insert + text.slice(end);
}
