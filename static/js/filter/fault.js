// SPDX-License-Identifier: Apache-2.0

// What is wrong with a filter, and where.

/** A value that cannot be understood; the message is for the person who typed it. */
export class FilterError extends Error {
  /** @param {string[]} forms  what may have been meant in its place: `operator and value` */
  constructor(message, forms = []) {
    super(message);
    this.forms = forms;
  }
}

/**
 * The same with its place in the filter's text: from `start` up to but not including `end`.
 * `fixes` are what may have been meant: `{start, end, insert}`, a text for a part of the filter's.
 */
export class FilterFault extends FilterError {
  constructor(message, start, end, fixes = []) {
    super(message);
    this.start = start;
    this.end = end;
    this.fixes = fixes;
  }
}

/** A piece of what was typed, as it stands in a message. */
export function quoted(text) {
  return `“${text}”`;
}

/** The filter's text with a fix made. */
export function fixed(text, { start, end, insert }) {
  return text.slice(0, start) + insert + text.slice(end);
}
