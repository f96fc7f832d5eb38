// SPDX-License-Identifier: Apache-2.0

// Tests as text, quoted where necessary. Values are untrusted: names of files and processes can
// contain any character.

import { replaceUnseen } from "../format/text.js";
import { utcTime } from "../format/time.js";
import { hasWildcard } from "./glob.js";
import { kindOf } from "./operators.js";
import { tokenize } from "./tokens.js";

/** @import { ColumnNames } from "./column_names.js" */

const ESCAPES = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Format a text after = or !=, to mean exactly this text. */
export function textOf(text) {
  return hasWildcard(text) ? quotedText(text) : patternOf(text);
}

/** Format a pattern after an operator. */
export function patternOf(text) {
  const isPlain = text !== "" && !/["\s()]|^[=~<>!'‘“„]|&&|\|\|/.test(text) && isVisible(text);
  return isPlain ? text : quotedText(text);
}

/** Format a value after an operator; `isGlob` as in `parse`. */
export function valueText(operator, value, isGlob = false) {
  const isExact = (operator === "=" || operator === "!=") && !isGlob;
  return isExact ? textOf(value) : patternOf(value);
}

/** Format a text as a word. */
export function wordOf(text) {
  const tokens = tokenize(text);
  const isBare =
    tokens.length === 1 &&
    tokens[0].type === "text" &&
    tokens[0].text === text &&
    !/^[A-Za-z_]\w*:/.test(text); // comm:rm
  return isBare && !tokens[0].fault && !tokens[0].isQuoted && isVisible(text)
    ? text
    : quotedText(text);
}

/**
 * Format a test.
 * @param {{operator: string, value: string|number|bigint}} test  the value is of the column's type;
 *   with `~` a pattern
 * @param {any} column  @param {ColumnNames} names
 * @param {Look} look  the column's
 */
export function termOf({ operator, value }, column, names, look) {
  return `${names.shortName(column)}${operator}${valueAsText(operator, value, column, look)}`;
}

function valueAsText(operator, value, column, { numberOf, valueNames = [], isHex = false, hover }) {
  if (typeof value === "string") return valueText(operator, value);
  if (kindOf(column) === "time") return utcTime(BigInt(value));
  const named = valueNames.find((name) => BigInt(numberOf(name)) === BigInt(value));
  if (named !== undefined) return patternOf(named);
  if (isHex) return hover(value); // 0x1f
  return `${value}${column.unit === "ns" ? "ns" : ""}`;
}

/** Whether every character of a text is visible and does not move others. */
export function isVisible(text) {
  return replaceUnseen(text, () => "") === text;
}

/** Quote a text, with invisible characters escaped. */
export function quotedText(text) {
  const escaped = text.replace(/["\\\n\r\t]/g, (character) => ESCAPES[character]);
  const seen = replaceUnseen(
    escaped,
    (character) => `\\u{${character.codePointAt(0).toString(16)}}`,
  );
  return `"${seen}"`;
}
