// SPDX-License-Identifier: Apache-2.0

// The values that completion offers for a column: those seen, by their displayed name if a filter
// accepts it, then other names that the column knows.

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
    // Times and measured values hardly ever repeat.
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

/** Describe a count. Only the newest rows are counted at each key press, and the text says so. */
function countWords(rows, of) {
  return of === null ? counted(rows, "event") : `${grouped(rows)} of the newest ${grouped(of)}`;
}

/** -2n -> "ENOENT", if it is displayed so and a filter reads it as -2. */
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
