// SPDX-License-Identifier: Apache-2.0

// What may stand for a value in a filter: numbers with units or names, times.

import { FilterError, quoted } from "./fault.js";

const NS_PER_UNIT = { ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9 };
const NUMBER = /^([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)\s*([a-zµμ]*)$/i;
const MOST_DIGITS = 30; // no column has more, and long ones only cost time

/** What is offered behind a number in a column of that unit. */
export const UNITS = Object.freeze({ ns: ["ns", "µs", "ms", "s"] });

/**
 * A reader of numbers for `parseInterval`.
 *
 * @param {?string} unit  the column's unit; `ns` takes ns, us, µs, ms and s behind the number
 * @param {(name: string) => bigint|number|undefined} numberOf  names that stand for numbers;
 *   asked for the name as it was typed, then in capitals
 */
export function numberLiteral(unit, numberOf) {
  return (literal) => {
    const match = NUMBER.exec(literal.replace("−", "-")); // the minus sign that the table shows
    if (!match || match[1].length > MOST_DIGITS) return named(literal, numberOf);
    const digits = match[1].replaceAll(",", "");
    const value = scaled(digits, unitFactor(unit, match[2].toLowerCase()));
    return [value, value];
  };
}

function named(literal, numberOf) {
  const value = numberOf?.(literal) ?? numberOf?.(literal.toUpperCase());
  if (value !== undefined) return [value, value];
  throw new FilterError(
    `${quoted(literal)} is not a number${numberOf ? " and no name known here" : ""}`,
  );
}

function unitFactor(unit, suffix) {
  if (!suffix) return 1;
  if (unit !== "ns")
    throw new FilterError(`${quoted(suffix)} is not known here: no unit is needed`);
  const factor = NS_PER_UNIT[suffix];
  if (!factor) throw new FilterError(`${quoted(suffix)} is not a unit: ns, µs, ms or s`);
  return factor;
}

/** Whole numbers as bigint, so that 64-bit values compare exactly. */
function scaled(digits, factor) {
  if (!digits.includes(".")) return BigInt(digits) * BigInt(factor);
  const value = Number(digits) * factor;
  return Number.isSafeInteger(Math.round(value)) && Math.abs(value - Math.round(value)) < 1e-6
    ? BigInt(Math.round(value))
    : value;
}

const TIME = /^(?:(\d{4}-\d{2}-\d{2})[T ])?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z)?$/i;
const NS_PER_MS = 1_000_000n;
const NS_PER_MINUTE = 60n * 10n ** 9n;

/**
 * A reader of times: `10:15`, `10:15:20`, `10:15:20.5`, local and on the day of `now`; with a
 * date before it, `2026-11-22T10:15`; with a `Z` behind it in UTC. The literal stands for the
 * whole minute, second or fraction.
 *
 * @param {() => Date} now
 * @returns values in nanoseconds since 1970, UTC
 */
export function timeLiteral(now = () => new Date()) {
  return (literal) => {
    const match = TIME.exec(literal);
    if (!match) throw new FilterError(`${quoted(literal)} is not a time such as 10:15:20`);
    const [, date, hour, minute, second, fraction = "", utc] = match;
    const start = startOf(date ?? day(now(), utc), [hour, minute, second ?? "00"], utc ?? "");
    if (!start) throw new FilterError(`${quoted(literal)} is not a time`);
    const first = BigInt(start.getTime()) * NS_PER_MS + BigInt(fraction.padEnd(9, "0"));
    const length = second === undefined ? NS_PER_MINUTE : 10n ** BigInt(9 - fraction.length);
    return [first, first + length - 1n];
  };
}

function startOf(date, clock, utc) {
  const [hour, minute, second] = clock.map(Number);
  if (hour > 23 || minute > 59 || second > 59) return null;
  const start = new Date(
    `${date}T${clock.map((part) => part.padStart(2, "0")).join(":")}${utc.toUpperCase()}`,
  );
  return Number.isNaN(start.getTime()) ? null : start;
}

function day(now, utc) {
  const two = (value) => String(value).padStart(2, "0");
  if (utc) return now.toISOString().slice(0, 10);
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
}
