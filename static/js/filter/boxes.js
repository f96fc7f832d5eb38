// SPDX-License-Identifier: Apache-2.0

// A column's filter box: a test as in the bar, without the column's name; in a text column it is a
// part of the text instead of a pattern. `rm` in Process's box is comm~*rm*, `>1ms` in Latency's is
// latency>1ms.

import { FilterError } from "./fault.js";
import { hasWildcard } from "./glob.js";
import { kindOf, SPELLINGS, WRITTEN } from "./operators.js";
import { isVisible, patternOf, quotedText, textOf, valueText } from "./terms.js";
import { tokenize } from "./tokens.js";

const PART = /^\*(.+)\*$/su;

/**
 * @param {{type: string}} column
 * @param {string} typed  in its box
 * @returns {?string} what follows the column's name in the bar; null for an empty box
 * @throws {FilterError}
 */
export function testOfBox(column, typed) {
  const text = typed.trim();
  if (!text) return null;
  const written = WRITTEN.find((symbol) => text.startsWith(symbol));
  const operator = SPELLINGS[written] ?? written;
  const rest = written ? text.slice(written.length).trim() : text;
  if (!rest) throw new FilterError(`missing value after ${operator}`);
  if (kindOf(column) !== "text") return `${operator ?? "="}${textOf(compact(rest, column))}`;
  const { value, isQuoted } = unquoted(rest);
  if (operator) return `${operator}${valueText(operator, value, !isQuoted && hasWildcard(value))}`;
  return `~${patternOf(hasWildcard(value) ? value : `*${value}${endsInEscape(value) ? "\\" : ""}*`)}`;
}

/** Return the text of a box for a term on its column, of which `testOfBox` makes the same term. */
export function boxOfTerm(column, { operator, value, isGlob = false }) {
  if (kindOf(column) !== "text") return operator === "=" ? value : `${operator}${value}`;
  const isExact = operator === "=" || operator === "!=";
  if (isExact && !isGlob && hasWildcard(value)) return `${operator}${quotedText(value)}`;
  if (operator === "~") {
    const part = PART.exec(value)?.[1];
    const shown = [part, value].filter((it) => it !== undefined).map(boxText);
    const found = shown.find((it) => isShownAs(column, it, `~${patternOf(value)}`));
    if (found !== undefined) return found;
  }
  return `${operator}${boxText(value)}`;
}

function isShownAs(column, shown, test) {
  return testOfBox(column, shown) === test;
}

/** Quote a value only if it would be parsed differently without quotes. */
function boxText(value) {
  const isPlain =
    value === value.trim() && !/^(?:$|["'‘“„=~<>!≠≤≥])/.test(value) && isVisible(value);
  return isPlain ? value : quotedText(value);
}

/** `"a b"` -> `a b`; unquoted text is returned unchanged. */
function unquoted(text) {
  if (!/^["'‘“„]/.test(text)) return { value: text, isQuoted: false };
  const [token, ...others] = tokenize(text);
  if (!token.isQuoted) return { value: text, isQuoted: false };
  if (token.fault || others.length > 0)
    throw new FilterError(token.fault ?? "use one quoted text, or no quotes");
  return { value: token.text, isQuoted: true };
}

/** Remove spaces within numbers and ranges; keep the one between a date and a time. */
function compact(text, column) {
  return kindOf(column) === "time" ? text.replace(/\s*\.\.\s*/, "..") : text.replace(/\s+/g, "");
}

function endsInEscape(text) {
  return /\\*$/.exec(text)[0].length % 2 === 1;
}
