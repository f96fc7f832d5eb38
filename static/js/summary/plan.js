// SPDX-License-Identifier: Apache-2.0

// Which columns the summary shows and how, by their types, units and presentations.

import { PROBE_KEY } from "../data/columns.js";
import { presentation } from "../format/presentation.js";
import { Histogram } from "./histogram.js";
import { Tally } from "./tally.js";
import { Timeline } from "./timeline.js";

/** @import { Column } from "../data/columns.js" */

/**
 * @param {Column[]} columns  of a `ColumnList`
 * @returns {{kind: string, key: string, title: string, make: () => Timeline|Histogram|Tally}[]} in the order to show them:
 *   time, spreads, then the most frequent values, texts before numbers
 */
export function planOf(columns) {
  const time = columns.find(({ type }) => type === "timestamp_ns");
  const spreads = columns.filter(({ unit, type }) => unit === "ns" && type !== "text");
  const counted = columns.filter((column) => presentation(column).summary === "top");
  const texts = counted.filter(({ type }) => type === "text");
  const numbers = counted.filter(({ type }) => type !== "text");
  return [
    ...(time ? [entry("timeline", time, () => new Timeline(time, PROBE_KEY))] : []),
    ...spreads.map((column) => entry("histogram", column, () => new Histogram(column))),
    ...[...texts, ...numbers].map((column) => entry("tally", column, () => new Tally(column))),
  ];
}

function entry(kind, column, make) {
  return { kind, key: column.key, title: column.title, make };
}
