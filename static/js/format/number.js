// SPDX-License-Identifier: Apache-2.0

// Numbers as text.

const GROUPED = new Intl.NumberFormat("en-US");
const RATE = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });

/** 1234567 -> "1,234,567", exact for bigint; a minus sign as wide as a digit. */
export function grouped(value) {
  return GROUPED.format(value).replace("-", "−");
}

/** Format events per second, with three digits: more are unreadable while they change. */
export function rate(perSecond) {
  if (perSecond >= 1e6) return `${RATE.format(perSecond / 1e6)}M/s`;
  if (perSecond >= 1e4) return `${RATE.format(perSecond / 1e3)}k/s`;
  return `${GROUPED.format(Math.round(perSecond))}/s`;
}

/** "1 event", "2 events". */
export function counted(count, singular, plural = `${singular}s`) {
  return `${grouped(count)} ${count === 1 || count === 1n ? singular : plural}`;
}
