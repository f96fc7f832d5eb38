// SPDX-License-Identifier: Apache-2.0

// Completion: columns, operators, values seen and keywords that fit at the cursor.

import { escapeGlob, hasWildcard } from "./glob.js";
import { UNITS } from "./literals.js";
import { KEYWORDS, kindOf, OPERATORS } from "./operators.js";
import { patternOf, textOf } from "./terms.js";
import { tokenize } from "./tokens.js";

/** @import { ColumnNames } from "./column_names.js" */

const MAX_ITEMS = 50;
const BARE_REST = /^[^\s"()]*/;

/**
 * @param {string} text  @param {number} caret
 * @param {ColumnNames} names
 * @param {(column: any) => {text: string, help: string}[]} valuesOf  what to offer as a value
 * @returns {{from: number, to: number, isAsked: boolean, items: {insert: string, help: string,
 *   kind: string}[], isChosen: boolean}} an item's `insert` replaces the text from `from` to `to`;
 *   `isAsked`: the user has begun to type what is offered; `isChosen`: the first item continues what
 *   was typed, which is not complete itself, so that Enter accepts it
 */
export function complete(text, caret, names, valuesOf) {
  const offer = offerAt(text, caret, names, valuesOf);
  const typed = text.slice(offer.from, caret).toLowerCase();
  const [first] = offer.items;
  const isWhole = offer.items.some(({ insert }) => insert.toLowerCase() === typed);
  const continues = first?.insert.toLowerCase().startsWith(typed) ?? false;
  // A number is complete at each digit, and so is a value that was seen.
  const isNumber = first?.kind === "value" && /^[+−-]?(?:[\d.,]*|0x[\da-f]*)$/i.test(typed);
  const isChosen = offer.isAsked && typed !== "" && continues && !isWhole && !isNumber;
  return { ...offer, items: offer.items.filter(({ insert }) => insert !== typed), isChosen };
}

function offerAt(text, caret, names, valuesOf) {
  const tokens = tokenize(text.slice(0, caret), names);
  const last = tokens.at(-1);
  const before = tokens.at(-2);
  const to = caret + (last?.isQuoted ? 0 : BARE_REST.exec(text.slice(caret))[0].length);
  const isTouching = last !== undefined && last.end === caret && !/\s/.test(text[caret - 1]);
  if (last?.type === "list" && before?.isIn && (isTouching || last.fault)) {
    const item = last.items.at(-1);
    const isTyped = item?.end === caret && isTouching;
    const from = isTyped ? item.start : caret;
    return values("=", tokens.at(-3), isTyped ? item.text : "", from, to, names, valuesOf);
  }
  if (last?.type === "operator") {
    return values(last.text, tokens.at(-2), "", caret, to, names, valuesOf);
  }
  if (isTouching && before?.type === "operator" && last.type === "text") {
    return values(before.text, tokens.at(-3), last.text, last.start, to, names, valuesOf);
  }
  const isWord =
    isTouching &&
    !last.isQuoted &&
    (last.type === "text" || last.type === "keyword" || last.type === "name");
  if (isWord)
    return { from: last.start, to, isAsked: true, items: words(last.text, canJoin(before), names) };
  if (isTouching && last.type !== "open")
    return { from: caret, to: caret, isAsked: false, items: [] };
  return { from: caret, to: caret, isAsked: false, items: words("", canJoin(last), names) };
}

/** Whether `and` or `or` can follow a token. */
function canJoin(token) {
  return token?.type === "text" || token?.type === "list" || token?.type === "close";
}

function words(prefix, canJoinBefore, names) {
  const lower = prefix.toLowerCase();
  const named = names.find(prefix);
  const operators = named.length > 0 ? operatorItems(prefix, named) : [];
  const columns = names.columns.filter((column) => !named.includes(column));
  const keywords = KEYWORDS.filter(
    ({ word }) => word.startsWith(lower) && word !== lower && (canJoinBefore || word === "not"),
  );
  return [
    ...operators,
    ...(canJoinBefore ? keywords.map(keywordItem) : []),
    ...matching(columns, lower, names),
    ...(canJoinBefore ? [] : keywords.map(keywordItem)),
  ].slice(0, MAX_ITEMS);
}

function keywordItem({ word, help }) {
  return { insert: `${word} `, help, kind: "word" };
}

function operatorItems(name, columns) {
  const kinds = columns.map(kindOf);
  return OPERATORS.filter((operator) => operator.kinds.some((kind) => kinds.includes(kind))).map(
    ({ symbol, help }) => ({
      insert: `${name}${symbol}`,
      help,
      kind: "operator",
    }),
  );
}

/** Return names that start with the prefix, then titles that do, then names that contain it. */
function matching(columns, lower, names) {
  const ranked = columns
    .map((column) => ({ column, rank: rank(column, lower, names) }))
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => a.rank - b.rank);
  const items = ranked.map(({ column }) => ({
    insert: names.shortName(column),
    help: [column.title, column.help].filter(Boolean).join(": "),
    kind: "column",
  }));
  return items.filter((item, i) => items.findIndex(({ insert }) => insert === item.insert) === i);
}

function rank(column, lower, names) {
  const name = names.shortName(column).toLowerCase();
  if (name.startsWith(lower)) return 0;
  if (column.title.toLowerCase().startsWith(lower)) return 1;
  return lower.length > 1 && name.includes(lower) ? 2 : -1;
}

function values(operator, name, typed, from, to, names, valuesOf) {
  const columns = name ? names.find(name.text) : [];
  const lower = typed.toLowerCase();
  const offered = columns.flatMap((column) => [...unitValues(column, typed), ...valuesOf(column)]);
  const isPattern = operator === "~" || operator === "!~";
  const needle = isPattern && hasWildcard(typed) ? null : lower;
  const items = [];
  for (const { text, help } of offered) {
    if (needle === null || !text.toLowerCase().includes(needle)) continue;
    const insert = isPattern ? patternOf(escapeGlob(text)) : textOf(text);
    if (!items.some((item) => item.insert === insert)) items.push({ insert, help, kind: "value" });
  }
  // Values that start with the typed text are more likely to be meant.
  items.sort(
    (a, b) =>
      Number(b.insert.toLowerCase().startsWith(lower)) -
      Number(a.insert.toLowerCase().startsWith(lower)),
  );
  return { from, to, isAsked: true, items: items.slice(0, MAX_ITEMS) };
}

/** latency>1 -> 1ns, 1µs, 1ms, 1s */
function unitValues({ unit }, typed) {
  if (!/^\d+(?:\.\d+)?$/.test(typed)) return [];
  return (UNITS[unit] ?? []).map((it) => ({
    text: `${typed}${it}`,
    help: it === unit ? "the default unit" : "",
  }));
}
