// SPDX-License-Identifier: Apache-2.0

// How a column is displayed: by its type and unit and, for columns with a meaning of their own, by
// name.

import { duration } from "./duration.js";
import { hueClass } from "./hue.js";
import { grouped } from "./number.js";
import { part, splitPath, visibleParts, visibleText } from "./text.js";
import { localDateTime, localTime, utcTime } from "./time.js";
import { NO_NAMES } from "./value_names.js";

/** @import { ValueNames } from "./value_names.js" */

const AT_FDCWD = -100;

const EQUALITY = [
  { label: "Only this", operator: "=" },
  { label: "Exclude this", operator: "!=" },
];

const text = {
  parts: visibleParts,
  hover: visibleText,
  full: (value) => visibleParts(value),
  notes: () => [],
  tests: EQUALITY,
  width: 140,
  narrowWidth: 122,
  summary: "top",
};

const number = {
  parts: (value) => [part(grouped(value))],
  hover: String,
  full: (value) => [part(grouped(value))],
  notes: () => [],
  tests: EQUALITY,
  align: "end",
  width: 112,
};

const BY_TYPE = {
  text,
  timestamp_ns: {
    parts: (value) => {
      const shown = localTime(value);
      return [part(shown.slice(0, 8)), part(shown.slice(8), "faint fine")];
    },
    hover: (value) => `${utcTime(value)} (UTC)`,
    full: (value) => [part(localDateTime(value))],
    notes: (value) => [`${utcTime(value)} in UTC`],
    tests: [
      { label: "From here", operator: ">=" },
      { label: "Up to here", operator: "<=" },
    ],
    width: 150,
    narrowWidth: 84, // without the fraction, which css/table.css hides
    narrowPlace: 0,
  },
};

const BY_UNIT = {
  ns: {
    ...number,
    parts: (value) => [part(duration(value))],
    hover: (value) => `${grouped(value)} ns`,
    full: (value) => [part(`${grouped(value)} ns`)],
    notes: (value) => (value < 1000n ? [] : [duration(value)]),
    tests: [
      { label: "At least this long", operator: ">=" },
      { label: "At most this long", operator: "<=" },
    ],
    width: 102,
    narrowPlace: 4,
  },
};

const NARROW_PLACES_END = 9; // the position of columns without a narrowPlace

const digits = (value) => [part(String(value))];
const identifier = { ...number, parts: digits, full: digits, width: 84 };

/**
 * The source of user names: `net/users.js`, or none.
 * @type {{nameOf: (uid: number) => ?string, numberOf: (name: string) => ?number}}
 */
let users = { nameOf: () => undefined, numberOf: () => undefined };

/** @param {{nameOf: (uid: number) => ?string, numberOf: (name: string) => ?number}} source */
export function nameUsersBy(source) {
  users = source;
}

const BY_NAME = {
  probe: {
    ...text,
    parts: (value) => [part(visibleText(value), `probe-name ${hueClass(value)}`)],
    width: 116,
    // A probe is named after its mode.
    covers: ["mode"],
    folds: 3,
    summary: undefined,
  },
  mode: { ...text, summary: undefined },
  pid: { ...identifier, narrowPlace: 5, folds: 6, quick: { label: "This process", operator: "=" } },
  // By default the process identifies a thread. The narrow widths leave room for the result on a
  // phone.
  process: { ...text, narrowWidth: 94, narrowPlace: 1, covers: ["comm"] },
  comm: { ...text, narrowPlace: 1, summary: undefined },
  flags: { ...text, width: 132, summary: undefined, folds: 1 },
  replaced: { ...text, width: 96, summary: undefined, folds: 1 },
  tid: { ...identifier, folds: 2 },
  uid: {
    ...identifier,
    parts: (value) => [part(visibleText(users.nameOf(value) ?? String(value)))],
    hover: (value) => [value, visibleText(users.nameOf(value) ?? "")].join(" ").trim(),
    notes: (value) => [users.nameOf(value) ?? []].flat().map(visibleText),
    numberOf: (name) => users.numberOf(name),
    align: "start",
    width: 92,
    folds: 5,
    summary: "top",
  },
  dfd: {
    ...identifier,
    parts: (value) => [value === AT_FDCWD ? part("cwd", "faint") : part(String(value))],
    hover: (value) =>
      value === AT_FDCWD ? "-100, AT_FDCWD: the current directory" : String(value),
    notes: (value) => (value === AT_FDCWD ? ["AT_FDCWD: the current directory"] : []),
    numberOf: (name) => (name === "CWD" || name === "AT_FDCWD" ? AT_FDCWD : undefined),
    width: 76,
    folds: 1,
  },
  syscall: { ...text, folds: 4 },
  filename: {
    ...text,
    parts: (value) => {
      const [folder, name] = splitPath(value);
      return [...visibleParts(folder, "folder"), ...visibleParts(name, "name")];
    },
    quick: { label: "This file", operator: "=" },
    className: "cell--path",
    width: 240,
    narrowWidth: 128,
    grows: true,
    narrowPlace: 2,
    // The call, if there is a column for it, and the detail panel say whether a file was replaced.
    covers: ["replaced"],
  },
};

/** The same for columns whose values have names: `names` is the column's ValueNames. */
const BY_NAMES = {
  ret: (names) => ({
    ...number,
    parts: (value) => {
      if (value >= 0) return [part(grouped(value), "success")];
      return [part(names.nameOf(value) ?? grouped(value), "failure")];
    },
    hover: (value) => {
      const name = names.nameOf(value);
      return name ? `${value} ${name}: ${names.meaningOf(value)}` : String(value);
    },
    full: (value) => [part(grouped(value), value < 0 ? "failure" : "success")],
    notes: (value) => {
      const name = names.nameOf(value);
      return name ? [`${name}: ${names.meaningOf(value)}`] : [];
    },
    numberOf: (name) => names.valueOf(name),
    valueNames: names.all,
    quick: { label: "Failures only", operator: "<", value: 0 },
    align: "start",
    width: 128,
    narrowWidth: 84,
    narrowPlace: 3,
    // The result shows the error's name already.
    covers: ["errno"],
  }),
  errno: (names) => ({
    ...text,
    hover: (value) => names.meaningOf(value) ?? visibleText(value),
    valueNames: names.all,
    notes: (value) => [names.meaningOf(value) ?? []].flat(),
  }),
};

// Cached, since making one for each cell would be too slow.
const looks = new WeakMap();

function lookByNames(name, names) {
  if (!looks.has(names)) looks.set(names, {});
  const made = looks.get(names);
  made[name] ??= BY_NAMES[name](names);
  return made[name];
}

/**
 * @param {{name: string, type: string, unit: ?string, names?: ValueNames}} column
 * @returns {{parts: Function, hover: Function, full: Function, notes: Function,
 *   tests: object[], quick?: object, width: number, narrowWidth?: number, align?: string,
 *   grows?: boolean, className?: string, folds?: number, narrowPlace?: number, covers?: string[],
 *   numberOf?: Function, valueNames?: string[], summary?: string}}
 *   `parts(value)` what the cell shows; `hover(value)` the exact value as one line;
 *   `full(value)` the exact value and `notes(value)` its meaning, for the detail panel; `tests` and
 *   `quick` (`{label, operator, value?}`) tests that can be added to the filter; `numberOf(name)`
 *   the number of a name in a filter, `valueNames` the names to complete there; `width` in CSS
 *   pixels, `narrowWidth` in a narrow table; `narrowPlace` the position in a narrow table; `folds`
 *   the order in which columns are omitted for lack of room, 1 first; `covers` the names of columns
 *   that are redundant beside this one; `summary` is "top" if the summary lists the most frequent
 *   values
 */
export function presentation(column) {
  const { name, names } = column;
  const isItsType = (column.type === "text") === TEXT_NAMES.has(name);
  if (isItsType && Object.hasOwn(BY_NAME, name)) return BY_NAME[name];
  if (isItsType && Object.hasOwn(BY_NAMES, name)) return lookByNames(name, names ?? NO_NAMES);
  return BY_UNIT[column.unit] ?? BY_TYPE[column.type] ?? number;
}

const TEXT_NAMES = new Set([
  "probe",
  "mode",
  "process",
  "comm",
  "syscall",
  "flags",
  "replaced",
  "filename",
  "errno",
]);

/** Return the names of columns whose values are shown by others of these columns. */
export function coveredNames(columns) {
  return new Set(columns.flatMap((column) => presentation(column).covers ?? []));
}

/** Return the columns in the order of a narrow table: the most important first. */
export function narrowOrder(columns) {
  const place = (column) => presentation(column).narrowPlace ?? NARROW_PLACES_END;
  return columns.toSorted((a, b) => place(a) - place(b));
}
