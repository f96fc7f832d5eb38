// SPDX-License-Identifier: Apache-2.0

// Times in nanoseconds since 1970, UTC, as bigint, so that no digit is lost in the text.

const NS_PER_MS = 1_000_000n;
const NS_PER_S = 1_000_000_000n;

/** Format the local time of day with microseconds, truncated: "10:00:00.123456". */
export function localTime(ns) {
  const date = new Date(Number(floorDivide(ns, NS_PER_MS)));
  return `${clock(date)}.${fraction(ns).slice(0, 6)}`;
}

/** Format local date and time with nanoseconds and zone: "2026-11-22 11:00:00.123456789 +01:00". */
export function localDateTime(ns) {
  const date = new Date(Number(floorDivide(ns, NS_PER_MS)));
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(twoDigits).join("-");
  const minutes = -date.getTimezoneOffset();
  const zone = [Math.trunc(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
    .map(twoDigits)
    .join(":");
  return `${day} ${clock(date)}.${fraction(ns)} ${minutes < 0 ? "−" : "+"}${zone}`;
}

/** Format UTC with nanoseconds, RFC 3339: "2026-11-22T10:00:00.123456789Z". */
export function utcTime(ns) {
  const date = new Date(Number(floorDivide(ns, NS_PER_MS)));
  return `${date.toISOString().slice(0, 19)}.${fraction(ns)}Z`;
}

/**
 * Return a function that gives the same as `utcTime`, fast for a million times in a row: rows
 * come in order of time, so one date serves all rows of a second.
 * @returns {(ns: bigint) => string}
 */
export function utcTimeWriter() {
  let start = null;
  let prefix = "";
  return (ns) => {
    if (start === null || ns < start || ns >= start + NS_PER_S) {
      const text = utcTime(ns);
      start = ns - BigInt(text.slice(20, 29));
      prefix = text.slice(0, 20);
    }
    return `${prefix}${String(Number(ns - start)).padStart(9, "0")}Z`;
  };
}

/** Format the local time of day of an RFC 3339 text, with the date unless it is today's. */
export function moment(rfc3339, today = new Date()) {
  const date = new Date(rfc3339);
  if (Number.isNaN(date.getTime())) return rfc3339;
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(twoDigits).join("-");
  return date.toDateString() === today.toDateString() ? clock(date) : `${day} ${clock(date)}`;
}

function clock(date) {
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(":");
}

function fraction(ns) {
  return (ns - floorDivide(ns, NS_PER_S) * NS_PER_S).toString().padStart(9, "0");
}

/** 7 -> "07". */
export function twoDigits(value) {
  return String(value).padStart(2, "0");
}

/**
 * Divide rounding down: bigint division rounds towards zero, the wrong second before 1970.
 * @param {bigint} value  @param {bigint} by
 */
function floorDivide(value, by) {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}
