// What may stand for a value in a filter box: numbers with units or names, times of day.

import { FilterError } from "./interval.js";

const NS_PER_UNIT = { ns: 1, us: 1e3, "µs": 1e3, "μs": 1e3, ms: 1e6, s: 1e9 };
const NUMBER = /^([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)\s*([a-zµμ]*)$/i;

/**
 * A reader of numbers for `parseInterval`.
 *
 * @param {?string} unit  the column's unit; `ns` takes ns, us, µs, ms and s behind the number
 * @param {(name: string) => bigint|number|undefined} numberOf  names that stand for numbers
 */
export function numberLiteral(unit, numberOf = () => undefined) {
  return (literal) => {
    const named = numberOf(literal.toUpperCase());
    if (named !== undefined) return [named, named];
    const match = NUMBER.exec(literal.replace("−", "-"));
    if (!match) throw new FilterError(`${quoted(literal)} is not a number`);
    const digits = match[1].replaceAll(",", "");
    const value = scaled(digits, unitFactor(unit, match[2].toLowerCase()));
    return [value, value];
  };
}

function unitFactor(unit, suffix) {
  if (!suffix) return 1;
  if (unit !== "ns") throw new FilterError(`${quoted(suffix)} is not known here: no unit is needed`);
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

const CLOCK = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?$/;

/**
 * A reader of local times of day: `10:15`, `10:15:20`, `10:15:20.5`. The literal stands for
 * the whole minute, second or fraction, on the day of `now`.
 *
 * @param {() => Date} now
 * @returns values in nanoseconds since 1970, UTC
 */
export function clockLiteral(now = () => new Date()) {
  return (literal) => {
    const match = CLOCK.exec(literal);
    if (!match) throw new FilterError(`${quoted(literal)} is not a time of day such as 10:15:20`);
    const [hour, minute, second = 0] = match.slice(1, 4).map((part) => part && Number(part));
    if (hour > 23 || minute > 59 || second > 59) {
      throw new FilterError(`${quoted(literal)} is not a time of day`);
    }
    const fraction = match[4] ?? "";
    const start = new Date(now());
    start.setHours(hour, minute, second, 0);
    const first = BigInt(start.getTime()) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
    const length = match[3] === undefined ? 60n * 10n ** 9n : 10n ** BigInt(9 - fraction.length);
    return [first, first + length - 1n];
  };
}

function quoted(text) {
  return `“${text}”`;
}
