// SPDX-License-Identifier: Apache-2.0

// Literals in a filter: numbers with units or names, and times. All arithmetic uses integers: as a
// float 16.002 s would be 16,002,000,000.000002 ns.

import { twoDigits } from "../format/time.js";
import { FilterError, quoted } from "./fault.js";

const NS_PER_UNIT = { ns: 1n, us: 1_000n, ms: 1_000_000n, s: 1_000_000_000n };
const NUMBER = /^([+-]?)(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?\s*([a-zµμ]*)$/i;
const HEX = /^([+-]?)0x([0-9a-f]{1,16})$/i;
const SIGNED_BITS = { int32: 32, int64: 64 };
const MAX_DIGITS = 30; // no column has more, and longer literals only cost time

/** The units offered after a number, by the column's unit. */
export const UNITS = Object.freeze({ ns: ["ns", "µs", "ms", "s"] });

/** Whether a bare word is a unit or resembles one, and so belongs to the number before it. */
export function isUnit(word) {
  return /^(?:[nuµμm]?s|[nuµμm]?secs?|seconds?|m|min|minutes?|h|hours?)$/i.test(word);
}

/**
 * The meaning of a literal. `low` and `high`: the value, rounded up and down to integers; `first` to
 * `last`: what `=` matches; `until`: the last value that `<=` and a range up to it match. All bigint.
 * @typedef {{low: bigint, high: bigint, first: bigint, last: bigint, until: bigint}} Literal
 */

/**
 * Return a reader of numbers for `parseIntervals`. With `=` a number with a unit matches all values
 * that round to it, since the table shows rounded values: 1.2ms is 1.15 ms to 1.25 ms.
 *
 * @param {?string} unit  the column's unit; `ns` accepts ns, us, µs, ms and s after the number
 * @param {(name: string) => bigint|number|undefined} numberOf  looks up names of numbers; called
 *   with the name as typed, then in upper case
 * @param {string} [type]  the column's: in a signed one, 0xffffffff is -1, as it is shown
 * @returns {(literal: string) => Literal[]}
 */
export function numberLiteral(unit, numberOf = undefined, type = undefined) {
  return (literal) => {
    const hex = HEX.exec(literal.replace("−", "-"));
    if (hex) return [exactly(hexValue(hex, SIGNED_BITS[type]))];
    const match = numberIn(literal);
    if (!match || match[0].length > MAX_DIGITS) return named(literal, numberOf);
    const [, sign, whole, fraction = "", suffix] = match;
    const digits = BigInt(whole.replaceAll(",", "") + fraction) * (sign === "-" ? -1n : 1n);
    const factor = unitFactor(unit, suffix.toLowerCase());
    const scale = 10n ** BigInt(fraction.length);
    const low = upwards(digits * factor, scale);
    const high = downwards(digits * factor, scale);
    if (!suffix) return [{ low, high, first: low, last: high, until: high }];
    const first = upwards((2n * digits - 1n) * factor, 2n * scale);
    const last = downwards((2n * digits + 1n) * factor, 2n * scale);
    return [{ low, high, first, last, until: high }];
  };
}

/** Read a hexadecimal number; one with the sign bit set is negative in a signed column. */
function hexValue(match, bits) {
  const [, sign, digits] = match;
  const value = BigInt(`0x${digits}`);
  if (sign === "-") return -value;
  return bits && value < 2n ** BigInt(bits) ? BigInt.asIntN(bits, value) : value;
}

/**
 * Read `true` or `false`, or 1 or 0, of a bool column.
 * @param {string} literal
 * @returns {Literal[]}
 * @throws {FilterError}
 */
export function boolLiteral(literal) {
  if (/^(?:true|1)$/i.test(literal)) return [exactly(1n)];
  if (/^(?:false|0)$/i.test(literal)) return [exactly(0n)];
  throw new FilterError(`${quoted(literal)} is not true or false`, [
    { text: "=true" },
    { text: "=false" },
  ]);
}

function numberIn(literal) {
  return NUMBER.exec(literal.replace("−", "-")); // the minus sign that the table shows
}

/** Whether a number in a column with that unit lacks one. */
export function lacksUnit(unit, literal) {
  const match = unit === "ns" ? numberIn(literal) : null;
  return match !== null && match[4] === "";
}

function named(literal, numberOf) {
  const value = numberOf?.(literal) ?? numberOf?.(literal.toUpperCase());
  if (value !== undefined) return [exactly(BigInt(value))];
  throw new FilterError(
    `${quoted(literal)} is not a number${numberOf ? " or a known name" : ""}`,
    numberForms(literal),
  );
}

/** Return what an invalid number may mean: 1,2 is `in (1, 2)`, 1-5 is `=1..5`. */
function numberForms(literal) {
  const range = /^([+-]?[\d.]+[a-zµμ]*)(?:-|–|:|\.{3}|to)([+-]?[\d.]+[a-zµμ]*)$/i.exec(literal);
  if (range) return [{ text: `=${range[1]}..${range[2]}` }];
  const parts = literal.split(/[,;|]/).filter(Boolean);
  const isList = parts.length > 1 && !/[<>=~!]/.test(literal); // 0|ret>5 holds a test
  return isList ? [{ text: ` in (${parts.join(", ")})`, isList }] : [];
}

function unitFactor(unit, suffix) {
  if (!suffix) return 1n;
  if (unit !== "ns")
    throw new FilterError(`${quoted(suffix)} is not expected: this column has no unit`);
  const plain = suffix.replace(/[µμ]/, "u").replace(/(?<=^[num]?)(?:secs?|seconds?)$/, "s");
  if (!Object.hasOwn(NS_PER_UNIT, plain))
    throw new FilterError(`${quoted(suffix)} is not a unit: use ns, µs, ms or s`);
  return NS_PER_UNIT[plain];
}

function exactly(value) {
  return { low: value, high: value, first: value, last: value, until: value };
}

/**
 * Divide rounding down: bigint division rounds towards zero.
 * @param {bigint} value  @param {bigint} by
 */
function downwards(value, by) {
  return value / by - (value % by < 0n ? 1n : 0n);
}

/** @param {bigint} value  @param {bigint} by */
function upwards(value, by) {
  return -downwards(-value, by);
}

const DATE = /(\d{4})-(\d{2})-(\d{2})/.source;
const CLOCK = /(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?/.source;
const ZONE = /Z|[+−-]\d{2}:?\d{2}/.source;
const TIME = new RegExp(`^(?:${DATE}[T ]\\s*)?${CLOCK}\\s*(${ZONE})?$`, "i");
const NS_PER_MS = 1_000_000n;
const MS_PER_MINUTE = 60_000;
const MS_PER_DAY = 86_400_000;
const NS_PER_MINUTE = 60n * 10n ** 9n;

/**
 * Return a reader of times: `10:15`, `10:15:20`, `10:15:20.5` in local time on the day of `now`;
 * `2026-11-22T10:15` with a date; in another zone with `Z` or `+01:00` at the end. The literal means
 * the whole minute, second or fraction, both times if the clocks were set back and it occurred twice.
 *
 * @param {() => Date} now
 * @returns {(literal: string) => Literal[]} in nanoseconds since 1970, UTC
 */
export function timeLiteral(now = () => new Date()) {
  return (literal) => {
    const match = TIME.exec(literal);
    if (!match) throw new FilterError(`${quoted(literal)} is not a time such as 10:15:20`);
    const [, year, month, day, hour, minute, second, fraction = "", zone] = match;
    const offset = zone === undefined ? null : zoneMinutes(literal, zone);
    const date = year ? [year, month, day].map(Number) : today(now(), offset);
    const starts = startsOf(literal, date, [hour, minute, second ?? 0].map(Number), offset);
    const length = second === undefined ? NS_PER_MINUTE : 10n ** BigInt(9 - fraction.length);
    return starts.map((startMs) => {
      const first = BigInt(startMs) * NS_PER_MS + BigInt(fraction.padEnd(9, "0"));
      const last = first + length - 1n;
      return { low: first, high: first, first, last, until: last };
    });
  };
}

/**
 * Return the instants of a date and time, in milliseconds; earliest first.
 * @param {string} literal  @param {number[]} date  @param {number[]} time
 * @param {?number} offset  in minutes, of the literal's zone
 */
function startsOf(literal, date, time, offset) {
  const [year, month, day] = date;
  const [hour, minute, second] = time;
  const utcMs = Date.UTC(year, month - 1, day, hour, minute, second);
  const wrong = (why) => new FilterError(`${quoted(literal)} is not a time: ${why}`);
  if (hour > 23) throw wrong("hours range from 0 to 23");
  if (minute > 59 || second > 59) throw wrong("minutes and seconds range from 0 to 59");
  if (month < 1 || month > 12) throw wrong("months range from 01 to 12");
  const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
  if (day < 1 || day > days)
    throw wrong(`${String(year).padStart(4, "0")}-${twoDigits(month)} has ${days} days`);
  if (offset !== null) return [utcMs - offset * MS_PER_MINUTE];
  // The clocks may change that day: try the offsets before and after it.
  const offsets = [utcMs - MS_PER_DAY, utcMs + MS_PER_DAY].map((ms) =>
    new Date(ms).getTimezoneOffset(),
  );
  const starts = [...new Set(offsets)]
    .map((minutes) => utcMs + minutes * MS_PER_MINUTE)
    .filter((ms) => ms === utcMs + new Date(ms).getTimezoneOffset() * MS_PER_MINUTE);
  if (starts.length === 0) throw wrong("the clocks skipped it");
  return starts.sort((a, b) => a - b);
}

function zoneMinutes(literal, zone) {
  if (/^z$/i.test(zone)) return 0;
  const [, sign, hours, minutes] = /^(.)(\d\d):?(\d\d)$/.exec(zone);
  if (Number(hours) > 23 || Number(minutes) > 59)
    throw new FilterError(`${quoted(literal)} is not a time: zones range from -23:59 to +23:59`);
  return (sign === "+" ? 1 : -1) * (60 * Number(hours) + Number(minutes));
}

/**
 * Return the current year, month and day in a zone, by default the local one.
 * @param {Date} now  @param {?number} offset  in minutes
 */
function today(now, offset) {
  const minutes = offset ?? -now.getTimezoneOffset();
  const date = new Date(now.getTime() + minutes * MS_PER_MINUTE);
  return [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
}
