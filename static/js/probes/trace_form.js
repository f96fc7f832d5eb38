// SPDX-License-Identifier: Apache-2.0

// The form "Trace a function": what is typed -> the body of POST /probes/{id} (docs/protocol.md,
// "Starting"), and the errors of its answer -> the form's fields. The service validates the rest.

import { KINDS } from "./target.js";

const IS_ID = /^[a-z0-9][a-z0-9._-]{0,31}$/;
const MAX_DURATION_S = 86_400;
const IDENTIFIER = /[A-Za-z_]\w*/y;
const SEPARATORS = /[\s.>[\]()-]*/y;

/** The fields of the form by those of the service; `columns.1` is in columns. */
const FIELDS = {
  ...Object.fromEntries(KINDS.map(({ kind }) => [kind, "name"])),
  mode: "mode",
  columns: "columns",
  where: "where",
  duration_s: "duration",
};

/**
 * @typedef {{kind: string, name: string, mode: string, columns: string, where: string,
 *   duration: string, id: string}} Typed  the form's fields, as typed; `mode` "" for the best
 */

/**
 * A fault of a field, "" for none of the form; each of `fixes` is a text for the field, and the words of its button.
 * @typedef {{field: string, message: string, fixes: {words: string, text: string}[]}} FieldFault
 */

/**
 * @param {Typed} typed
 * @returns {{id: string, body: object, faults: FieldFault[]}}
 */
export function parseForm(typed) {
  const faults = [];
  const fault = (field, message) => faults.push({ field, message, fixes: [] });
  const name = typed.name.trim();
  const id = typed.id.trim();
  /** @type {Record<string, any>} */
  const body = { [typed.kind]: name };
  if (!name) fault("name", "Enter a name.");
  if (typed.mode) body.mode = typed.mode;
  const columns = linesOf(typed.columns).map(({ text }) => text);
  if (columns.length > 0) body.columns = columns;
  if (typed.where.trim()) body.where = typed.where.trim();
  const duration = typed.duration.trim();
  if (duration) {
    const seconds = Number(duration);
    if (!(seconds > 0 && seconds <= MAX_DURATION_S))
      fault("duration", `Enter seconds: more than 0, at most ${MAX_DURATION_S} (one day).`);
    body.duration_s = seconds;
  }
  if (!IS_ID.test(id)) {
    const form = "1 to 32 lower-case letters, digits, '.', '_' or '-'; the first a letter or digit";
    fault("id", `Enter ${form}.`);
  }
  return { id, body, faults };
}

/** The lines that are not blank, with their numbers and their places in the text. */
function linesOf(columns) {
  let start = 0;
  return columns
    .split("\n")
    .map((line, i) => {
      const text = line.trim();
      const found = { text, number: i + 1, start: start + line.indexOf(text) };
      start += line.length + 1;
      return found;
    })
    .filter(({ text }) => text !== "");
}

/**
 * Return the faults of an answer by the form's fields.
 * @param {{errors?: any[], near?: string[], alternatives?: string[], code: string}} error  a
 *   CallError
 * @param {Typed} typed  what was sent
 * @param {string} freeId  a name that no probe has
 * @returns {FieldFault[]} none for an error without `errors`
 */
export function faultsOf(error, typed, freeId) {
  const faults = (error.errors ?? []).flatMap((each) => faultOf(each, typed));
  if (faults.length > 0) return faults;
  if (error.code === "running_differently") {
    const message = `A probe named ${typed.id.trim()} is running already.`;
    return [{ field: "id", message, fixes: [{ words: freeId, text: freeId }] }];
  }
  const modes = (error.alternatives ?? []).filter((each) => !each.includes(" ")); // not KIND NAME
  if (modes.length > 0 && typed.mode) {
    const fixes = modes.map((mode) => ({ words: mode, text: mode }));
    return [{ field: "mode", message: `${typed.mode} is not available.`, fixes }];
  }
  return [];
}

function faultOf({ field: path, message, near = [], position = 0 }, typed) {
  const [name, index] = (path ?? "").split(".");
  const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  if (!field) return [{ field: "", message: path ? `${path}: ${message}` : message, fixes: [] }];
  if (field === "columns") {
    const line = linesOf(typed.columns)[Number(index)];
    if (!line) return [{ field, message, fixes: [] }];
    const at = line.start + position;
    const fixes = near.map((words) => ({ words, text: replacedAt(typed.columns, at, words) }));
    return [{ field, message: `Line ${line.number}: ${message}`, fixes }];
  }
  const fixes = near.map((words) => ({
    words,
    text: field === "where" ? replacedAt(typed.where.trim(), position, words) : words,
  }));
  return [{ field, message, fixes }];
}

/** Replace the identifier at a place, or after the `.` or `->` there, by a similar name. */
function replacedAt(text, at, name) {
  SEPARATORS.lastIndex = at;
  const start = at + SEPARATORS.exec(text)[0].length;
  IDENTIFIER.lastIndex = start;
  const length = IDENTIFIER.exec(text)?.[0].length ?? 0;
  return text.slice(0, start) + name + text.slice(start + length);
}
