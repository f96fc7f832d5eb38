// SPDX-License-Identifier: Apache-2.0

// What is wrong with a filter, and where.

/** A value that cannot be understood; the message is for the person who typed it. */
export class FilterError extends Error {}

/** The same with its place in the filter's text: from `start` up to but not including `end`. */
export class FilterFault extends FilterError {
  constructor(message, start, end) {
    super(message);
    this.start = start;
    this.end = end;
  }
}

/** A piece of what was typed, as it stands in a message. */
export function quoted(text) {
  return `“${text}”`;
}
