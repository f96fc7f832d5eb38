// SPDX-License-Identifier: Apache-2.0

// An event as JSON, as the service writes it (docs/protocol.md): times in RFC 3339, integers with
// all digits, non-ASCII characters escaped, since it may be pasted into a terminal.

import { utcTime } from "./time.js";

const NOT_ASCII = /[\u007f-\uffff]/;
const NOT_ASCII_UNITS = new RegExp(NOT_ASCII, "g");

/**
 * @param {{name: string, type: string, value: *}[]} fields  `value` null for none
 * @returns {string} one object, one member per line
 */
export function eventJson(fields) {
  const members = fields.map(
    ({ name, type, value }) => `  ${jsonText(name)}: ${json(type, value)}`,
  );
  return `{\n${members.join(",\n")}\n}`;
}

function json(type, value) {
  if (value === null) return "null";
  if (type === "timestamp_ns") return jsonText(utcTime(value));
  if (type === "bool") return String(Boolean(value));
  return type === "text" ? jsonText(value) : String(value);
}

/** Return text as JSON in ASCII, as Python's json writes it, with DEL escaped too. */
export function jsonText(text) {
  const json = JSON.stringify(text);
  return NOT_ASCII.test(json) ? json.replaceAll(NOT_ASCII_UNITS, unicodeEscape) : json;
}

function unicodeEscape(unit) {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
