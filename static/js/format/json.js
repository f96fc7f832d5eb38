// An event as JSON, as the service writes it (docs/protocol.md): times RFC 3339, integers with
// all their digits, what is not ASCII escaped, since it may be pasted into a terminal.

import { utcTime } from "./time.js";

/**
 * @param {{name: string, type: string, value: *}[]} fields  `value` null for none
 * @returns {string} one object, a member a line
 */
export function eventJson(fields) {
  const members = fields.map(({ name, type, value }) => `  ${text(name)}: ${json(type, value)}`);
  return `{\n${members.join(",\n")}\n}`;
}

function json(type, value) {
  if (value === null) return "null";
  if (type === "timestamp_ns") return text(utcTime(value));
  return type === "text" ? text(value) : String(value);
}

function text(value) {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
