// SPDX-License-Identifier: Apache-2.0

// Short text for a chart's axes and captions. Times are in seconds since 1970, shown in local time.

import { twoDigits } from "./time.js";

const COMPACT = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });
const DAY_S = 86_400;

/** 1500 -> "1.5k". */
export function axisNumber(value) {
  if (value >= 1e6) return `${COMPACT.format(value / 1e6)}M`;
  if (value >= 1e3) return `${COMPACT.format(value / 1e3)}k`;
  return COMPACT.format(value);
}

/** Format a time on an axis whose ticks are `step` seconds apart, at that resolution. */
export function clockTime(time, step) {
  const date = new Date(time * 1000);
  if (step >= DAY_S) return day(date);
  const clock = `${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}`;
  return step >= 60 ? clock : `${clock}:${twoDigits(date.getSeconds())}`;
}

/** "10:00:00 to 10:05:00", with the dates if they differ. */
export function clockRange(from, to) {
  const [first, last] = [new Date(from * 1000), new Date(to * 1000)];
  const isOneDay = day(first) === day(last);
  const words = (date) => `${isOneDay ? "" : `${day(date)} `}${clockTime(date / 1000, 1)}`;
  return `${words(first)} to ${words(last)}`;
}

/** 300 -> "5 min". */
export function widthWords(seconds) {
  if (seconds >= DAY_S) return `${seconds / DAY_S} d`;
  if (seconds >= 3600) return `${seconds / 3600} h`;
  return seconds >= 60 ? `${seconds / 60} min` : `${seconds} s`;
}

/** Format a share: "12%", "0.3%", "<0.1%"; "0%" is exactly none, and "100%" exactly all. */
export function percent(part, whole) {
  if (whole === 0 || part === 0) return "0%";
  const share = (100 * part) / whole;
  if (share < 0.1) return "<0.1%";
  if (part < whole && share > 99.9) return ">99.9%";
  const isNearAnEnd = share < 9.95 || (part < whole && share >= 99.5);
  return `${isNearAnEnd ? Number(share.toFixed(1)) : Math.round(share)}%`;
}

function day(date) {
  return `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`;
}
