// How a column is shown: by its type and unit, and, for the few columns whose numbers mean
// more than numbers, by name. This is the only file of the page that knows columns by name.

import { duration } from "./duration.js";
import { ERRNO_NAMES, errnoMeaning, errnoName, errnoValue } from "./errno.js";
import { hueClass } from "./hue.js";
import { grouped } from "./number.js";
import { part, splitPath, visibleParts, visibleText } from "./text.js";
import { localTime, utcTime } from "./time.js";

const AT_FDCWD = -100;

const text = {
  parts: visibleParts,
  hover: visibleText,
  width: 140,
  narrowWidth: 122,
  summary: "top",
};

const number = {
  parts: (value) => [part(grouped(value))],
  hover: String,
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
    width: 150,
    narrowWidth: 84, // without the fraction, which css/table.css leaves out
    narrowPlace: 0,
  },
};

const BY_UNIT = {
  ns: {
    ...number,
    parts: (value) => [part(duration(value))],
    hover: (value) => `${grouped(value)} ns`,
    width: 102,
    narrowPlace: 4,
  },
};

const NARROW_PLACES_END = 9; // where columns without a narrowPlace go

const identifier = { ...number, parts: (value) => [part(String(value))], width: 84 };

const BY_NAME = {
  probe: {
    ...text,
    parts: (value) => [part(visibleText(value), `probe-name ${hueClass(value)}`)],
    width: 116,
    // A probe is called by its mode.
    covers: ["mode"],
    summary: undefined,
  },
  mode: { ...text, summary: undefined },
  pid: { ...identifier, narrowPlace: 5 },
  comm: { ...text, narrowPlace: 1 },
  tid: { ...identifier },
  uid: { ...identifier, width: 76, summary: "top" },
  dfd: {
    ...identifier,
    parts: (value) => [value === AT_FDCWD ? part("cwd", "faint") : part(String(value))],
    hover: (value) => (value === AT_FDCWD ? "-100, AT_FDCWD: the current directory" : String(value)),
    numberOf: (name) => (name === "CWD" || name === "AT_FDCWD" ? AT_FDCWD : undefined),
    width: 76,
  },
  filename: {
    ...text,
    parts: (value) => {
      const [folder, name] = splitPath(value);
      return [...visibleParts(folder, "folder"), ...visibleParts(name, "name")];
    },
    className: "cell--path",
    width: 240,
    narrowWidth: 160,
    grows: true,
    narrowPlace: 2,
  },
  ret: {
    ...number,
    parts: (value) => {
      if (value >= 0) return [part(grouped(value), "success")];
      return [part(errnoName(value) ?? grouped(value), "failure")];
    },
    hover: (value) => {
      const name = errnoName(value);
      return name ? `${value} ${name}: ${errnoMeaning(name)}` : String(value);
    },
    numberOf: errnoValue,
    valueNames: ERRNO_NAMES,
    align: "start",
    width: 128,
    narrowPlace: 3,
    // The error's name stands in the result already.
    covers: ["errno"],
  },
  errno: {
    ...text,
    hover: (value) => errnoMeaning(value) ?? visibleText(value),
    valueNames: ERRNO_NAMES,
  },
};

/**
 * @param {{name: string, type: string, unit: ?string}} column
 * @returns {{parts: Function, hover: Function, width: number, narrowWidth?: number,
 *   align?: string, grows?: boolean,
 *   className?: string, narrowPlace?: number, covers?: string[], numberOf?: Function,
 *   valueNames?: string[], summary?: string}}
 *   `parts(value)` what the cell shows; `hover(value)` the whole truth as one line;
 *   `numberOf(name)` the number that a name stands for in a filter, `valueNames` names to offer there;
 *   `width` in CSS pixels, `narrowWidth` in a narrow table; `narrowPlace` its place in a narrow table; `covers` names of columns that need not be shown beside this one;
 *   `summary` is "top" where the summary is to list the most frequent values
 */
export function presentation(column) {
  const named = Object.hasOwn(BY_NAME, column.name) ? BY_NAME[column.name] : undefined;
  const isText = column.type === "text";
  if (named && isText === TEXT_NAMES.has(column.name)) return named;
  return BY_UNIT[column.unit] ?? BY_TYPE[column.type] ?? number;
}

const TEXT_NAMES = new Set(["probe", "mode", "comm", "filename", "errno"]);

/** The columns to show, in order: in a narrow table what matters most comes first. */
export function shownColumns(columns, isNarrow) {
  const covered = new Set(columns.flatMap((column) => presentation(column).covers ?? []));
  const shown = columns.filter((column) => !covered.has(column.name));
  if (!isNarrow) return shown;
  const place = (column) => presentation(column).narrowPlace ?? NARROW_PLACES_END;
  return shown.sort((a, b) => place(a) - place(b));
}
