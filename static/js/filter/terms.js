// SPDX-License-Identifier: Apache-2.0

// Tests as text, quoted where they must be. Values are other people's: names of files and
// processes, with any character in them.

import { replaceUnseen } from "../format/text.js";
import { utcTime } from "../format/time.js";
import { hasWildcard } from "./glob.js";
import { kindOf } from "./operators.js";
import { tokenize } from "./tokens.js";

/** @import { ColumnNames } from "./column_names.js" */

const ESCAPES = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text as it stands behind = or !=, as exactly this text. */
export function textOf(text) {
  return hasWildcard(text) ? quotedText(text) : patternOf(text);
}

/** A pattern as it stands behind an operator. */
export function patternOf(text) {
  const isPlain = text !== "" && !/["\s()]|^[=~<>!'‘“„]|&&|\|\|/.test(text) && isVisible(text);
  return isPlain ? text : quotedText(text);
}

/** A value as it stands behind an operator; `isGlob` as `parse` has it. */
export function valueText(operator, value, isGlob = false) {
  const isExact = (operator === "=" || operator === "!=") && !isGlob;
  return isExact ? textOf(value) : patternOf(value);
}

/** A text as a word of its own. */
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
 * @param {{operator: string, value: string|number|bigint}} test  the value is the column's own;
 *   with `~` a pattern
 * @param {any} column  @param {ColumnNames} names
 * @param {Look} look  the column's
 */
export function termOf({ operator, value }, column, names, look) {
  return `${names.shortName(column)}${operator}${valueAsText(operator, value, column, look)}`;
}

function valueAsText(operator, value, column, { numberOf, valueNames = [] }) {
  if (typeof value === "string") return valueText(operator, value);
  if (kindOf(column) === "time") return utcTime(BigInt(value));
  const named = valueNames.find((name) => BigInt(numberOf(name)) === BigInt(value));
  if (named !== undefined) return named;
  return `${value}${column.unit === "ns" ? "ns" : ""}`;
}

/** Whether every character of it can be seen, and stays in its place. */
export function isVisible(text) {
  return replaceUnseen(text, () => "") === text;
}

/** A text in quotes, in which nothing is invisible. */
export function quotedText(text) {
  const escaped = text.replace(/["\\\n\r\t]/g, (character) => ESCAPES[character]);
  const seen = replaceUnseen(
    escaped,
    (character) => `\\u{${character.codePointAt(0).toString(16)}}`,
  );
  return `"${seen}"`;
}
