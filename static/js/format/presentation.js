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

const TRUTH = ["false", "true"];

/** Return 0 or 1 for a name of a truth value in a filter. */
function truthOf(name) {
  const value = TRUTH.indexOf(name.toLowerCase());
  return value < 0 ? undefined : value;
}

const BY_TYPE = {
  text,
  bool: {
    ...number,
    parts: (value) => [part(TRUTH[Number(value)])],
    hover: (value) => TRUTH[Number(value)],
    full: (value) => [part(TRUTH[Number(value)])],
    numberOf: truthOf,
    valueNames: TRUTH,
    align: "start",
    width: 84,
    summary: "top",
  },
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

const BITS = { int32: 32, uint32: 32, int64: 64, uint64: 64 };

/** Return the look of a number shown in hexadecimal: a negative one as its two's complement. */
function hexLook(type) {
  const written = (value) => `0x${BigInt.asUintN(BITS[type], BigInt(value)).toString(16)}`;
  return {
    ...number,
    parts: (value) => [part(written(value))],
    hover: written,
    full: (value) => [part(written(value))],
    notes: (value) => [`${grouped(value)} in decimal`],
    isHex: true,
    width: BITS[type] === 64 ? 152 : 104,
  };
}

const BY_HEX = Object.fromEntries(Object.keys(BITS).map((type) => [type, hexLook(type)]));

const path = {
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
};

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
  path,
  filename: {
    ...path,
    // The call, if there is a column for it, and the detail panel say whether a file was replaced.
    covers: ["replaced"],
  },
};

const NAMED = " named"; // not the name of a column

/** The same for columns whose values have names: `names` is the column's ValueNames. */
const BY_NAMES = {
  // A number shown by its name, such as an enum's, and as a number where it has none.
  [NAMED]: (names) => ({
    ...number,
    parts: (value) => [part(visibleText(names.nameOf(value) ?? String(value)))],
    hover: (value) =>
      visibleText([value, names.nameOf(value), names.meaningOf(value)].filter(isThere).join(" ")),
    full: (value) => [part(visibleText(names.nameOf(value) ?? String(value)))],
    notes: (value) =>
      [names.nameOf(value) && String(value), names.meaningOf(value)]
        .filter(isThere)
        .map((note) => visibleText(note)),
    numberOf: (name) => names.valueOf(name),
    valueNames: names.all,
    align: "start",
    width: 140,
    summary: "top",
  }),
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
 * @param {{name: string, type: string, unit: ?string, render?: ?string, names?: ValueNames}} column
 * @returns {{parts: Function, hover: Function, full: Function, notes: Function,
 *   tests: object[], quick?: object, width: number, narrowWidth?: number, align?: string,
 *   grows?: boolean, className?: string, folds?: number, narrowPlace?: number, covers?: string[],
 *   numberOf?: Function, valueNames?: string[], isHex?: boolean, summary?: string}}
 *   `parts(value)` what the cell shows; `hover(value)` the exact value as one line;
 *   `full(value)` the exact value and `notes(value)` its meaning, for the detail panel; `tests` and
 *   `quick` (`{label, operator, value?}`) tests that can be added to the filter; `numberOf(name)`
 *   the number of a name in a filter, `valueNames` the names to complete there; `isHex` whether it
 *   shows numbers in hexadecimal; `width` in CSS
 *   pixels, `narrowWidth` in a narrow table; `narrowPlace` the position in a narrow table; `folds`
 *   the order in which columns are omitted for lack of room, 1 first; `covers` the names of columns
 *   that are redundant beside this one; `summary` is "top" if the summary lists the most frequent
 *   values
 */
export function presentation(column) {
  const { name, type, names } = column;
  if (type === "bool") return BY_TYPE.bool;
  if (column.render === "hex" && Object.hasOwn(BY_HEX, type)) return BY_HEX[type];
  if (isNamed(column)) return lookByNames(NAMED, names);
  const isItsType = (column.type === "text") === TEXT_NAMES.has(name);
  if (isItsType && Object.hasOwn(BY_NAME, name)) return BY_NAME[name];
  if (isItsType && Object.hasOwn(BY_NAMES, name)) return lookByNames(name, names ?? NO_NAMES);
  return BY_UNIT[column.unit] ?? BY_TYPE[column.type] ?? number;
}

/** Whether a column's numbers are shown by name. A result with names of errors has its own look. */
function isNamed(column) {
  const { name, type, names } = column;
  if (type === "text" || !names || names.isEmpty) return false;
  return !(names.isErrors && name === "ret");
}

function isThere(word) {
  return word !== undefined && word !== "";
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
  "path",
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
