// SPDX-License-Identifier: Apache-2.0

// The values that completion offers for a column: those seen, by the name they are shown by
// where a filter understands it, then names that the column knows.

import { counted } from "../format/number.js";
import { visibleText } from "../format/text.js";
import { kindOf } from "./operators.js";
import { valuesSeen } from "./seen.js";

/**
 * @param {EventStore} store  @param {(column: object) => object} look  as `presentation`
 * @returns {(column: object) => {text: string, help: string}[]} for `complete`
 */
export function offersOf(store, look) {
  return (column) => {
    const { numberOf, valueNames = [], parts, hover } = look(column);
    // Times and measured values hardly ever come twice.
    const seen = kindOf(column) === "time" || column.unit ? [] : valuesSeen(store, column);
    const offers = seen.map(({ value, rows }) => {
      const text = typeof value === "string" ? value : nameOf(value, parts, numberOf);
      const whole = visibleText(hover(value));
      return {
        text,
        help: [whole === text ? "" : whole, counted(rows, "event")].filter(Boolean).join(", "),
      };
    });
    const known = new Set(offers.map(({ text }) => text));
    for (const text of valueNames)
      if (!known.has(text)) offers.push({ text, help: meaning(text, numberOf, hover) });
    return offers;
  };
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
