// SPDX-License-Identifier: Apache-2.0

// The values that completion offers for a column: those seen, by the name they are shown by
// where a filter understands it, then names that the column knows.

import { counted, grouped } from "../format/number.js";
import { visibleText } from "../format/text.js";
import { kindOf } from "./operators.js";
import { valuesSeen } from "./seen.js";

/** @import { EventStore } from "../data/store.js" */

/**
 * @param {EventStore} store  @param {(column: any) => Look} look  as `presentation`
 * @returns {(column: any) => {text: string, help: string}[]} for `complete`
 */
export function offersOf(store, look) {
  return (column) => {
    const { numberOf, valueNames = [], parts, hover } = look(column);
    // Times and measured values hardly ever come twice.
    const isSeen = kindOf(column) !== "time" && !column.unit;
    const { values, of } = isSeen ? valuesSeen(store, column) : { values: [], of: null };
    const offers = values.map(({ value, rows }) => {
      const text = typeof value === "string" ? value : nameOf(value, parts, numberOf);
      const whole = visibleText(hover(value));
      return {
        text,
        help: [whole === text ? "" : whole, countWords(rows, of)].filter(Boolean).join(", "),
      };
    });
    const known = new Set(offers.map(({ text }) => text));
    for (const text of valueNames)
      if (!known.has(text)) offers.push({ text, help: meaning(text, numberOf, hover) });
    return offers;
  };
}

/** Counting all rows at each key would take too long: how many were counted is said. */
function countWords(rows, of) {
  return of === null ? counted(rows, "event") : `${grouped(rows)} of the newest ${grouped(of)}`;
}

/** -2n -> "ENOENT", when that is how it is shown and a filter reads it as -2. */
function nameOf(value, parts, numberOf) {
  const shown = parts(value)
    .map(({ text }) => text)
    .join("");
  const number = numberOf?.(shown);
  return number !== undefined && BigInt(number) === BigInt(value) ? shown : String(value);
}

function meaning(name, numberOf, hover) {
  return visibleText(hover(numberOf ? numberOf(name) : name));
}
