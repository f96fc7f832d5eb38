// SPDX-License-Identifier: Apache-2.0

// A column's filter box: the same test as in the bar, without the column's name, and in a text
// column a part of the text where the bar wants a pattern. `rm` in Process's box is
// comm~*rm*, `>1ms` in Latency's is latency>1ms.

import { FilterError } from "./fault.js";
import { hasWildcard } from "./glob.js";
import { kindOf, SYMBOLS } from "./operators.js";
import { isVisible, quotedText, textOf } from "./terms.js";
import { tokenize } from "./tokens.js";

const PART = /^\*(.+)\*$/su;

/**
 * @param {{type: string}} column
 * @param {string} typed  in its box
 * @returns {?string} what stands behind the column's name in the bar; null for an empty box
 * @throws {FilterError}
 */
export function testOfBox(column, typed) {
  const text = typed.trim();
  if (!text) return null;
  const operator = SYMBOLS.find((symbol) => text.startsWith(symbol));
  const rest = operator ? text.slice(operator.length).replace(/^=/, "").trim() : text;
  if (!rest) throw new FilterError(`a value is missing after ${operator}`);
  if (kindOf(column) !== "text") return `${operator ?? "="}${textOf(compact(rest, column))}`;
  const value = unquoted(rest);
  if (operator) return `${operator}${textOf(value)}`;
  return `~${textOf(hasWildcard(value) ? value : `*${value}${endsInEscape(value) ? "\\" : ""}*`)}`;
}

/** What a box shows for a term on its column: `testOfBox` of it is that term again. */
export function boxOfTerm(column, { operator, value }) {
  if (kindOf(column) !== "text") return operator === "=" ? value : `${operator}${value}`;
  if (operator === "~") {
    const part = PART.exec(value)?.[1];
    const shown = [part, value].filter((it) => it !== undefined).map(boxText);
    const found = shown.find((it) => isShownAs(column, it, `~${textOf(value)}`));
    if (found !== undefined) return found;
  }
  return `${operator}${boxText(value)}`;
}

function isShownAs(column, shown, test) {
  return testOfBox(column, shown) === test;
}

/** In quotes only where it would be read in another way without them. */
function boxText(value) {
  const isPlain = value === value.trim() && !/^(?:$|["=~<>!])/.test(value) && isVisible(value);
  return isPlain ? value : quotedText(value);
}

/** `"a b"` -> `a b`, and everything else as it is. */
function unquoted(text) {
  if (!text.startsWith('"')) return text;
  const [token, ...others] = tokenize(text);
  if (token.fault || others.length > 0)
    throw new FilterError(token.fault ?? "one quoted text, or none");
  return token.text;
}

/** Spaces within numbers and ranges mean nothing; a date and a time are apart by one. */
function compact(text, column) {
  return kindOf(column) === "time" ? text.replace(/\s*\.\.\s*/, "..") : text.replace(/\s+/g, "");
}

function endsInEscape(text) {
  return /\\*$/.exec(text)[0].length % 2 === 1;
}
