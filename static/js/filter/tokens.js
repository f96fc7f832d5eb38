// SPDX-License-Identifier: Apache-2.0

// Splits a filter's text into tokens. It never throws: an invalid token has a `fault`, so that
// completion can read incomplete text.

import { JOINING, SPELLINGS, SYMBOLS, WRITTEN } from "./operators.js";

/** @import { ColumnNames } from "./column_names.js" */

const SPACE = /\s+/y;
const WRITTEN_SYMBOL = WRITTEN.map((symbol) => symbol.replace(/[|~]/g, "\\$&")).join("|");
const NAME = new RegExp(`([A-Za-z_]\\w*)(?=\\s*(?:${WRITTEN_SYMBOL}))`, "y");
const OPERATOR = new RegExp(WRITTEN_SYMBOL, "y");
const SYMBOL = new RegExp(SYMBOLS.join("|"), "y");
// Only for a known column: sk.num>5, comm:rm, comm in (rm, git).
const PATH = "([A-Za-z_]\\w*(?:\\.\\w+|\\[\\d+\\])*)";
const KNOWN_NAMES = [
  new RegExp(`${PATH}(?=\\s*(?:${WRITTEN_SYMBOL}))`, "y"),
  new RegExp(`${PATH}(?=:[^\\s:])`, "y"),
  new RegExp(`${PATH}(?=\\s+(?:not\\s+)?in(?:$|[\\s("]))`, "iy"),
];
const IN = /(not\s+)?in(?=$|[\s("])/iy;
const JOIN = /&&|\|\|/y;
const NOT = /!(?![=~])/y;
const BARE = /(?:(?!&&|\|\|)[^\s"()])+/y;
const ITEM = /(?:(?!&&|\|\|)[^\s"(),])+/y;
const SEPARATOR = /\s*,\s*/y;
// Opening quotes, and what closes them. Word processors make the curved ones.
const QUOTES = { '"': '"', "“": "”“", "„": "“”", "'": "'", "‘": "’'" };
const ESCAPE = /\\(?:(["\\nrt'’“”])|u\{([0-9a-f]{1,6})\})/iy;
const ESCAPED = { n: "\n", r: "\r", t: "\t" };
const LAST_CODE_POINT = 0x10ffff;
const KEYWORD = /^(?:and|or|not)$/i;

/**
 * @param {string} source
 * @param {?ColumnNames} names  of the known columns
 * @returns {{type: "name"|"operator"|"text"|"list"|"keyword"|"open"|"close", text: string,
 *   start: number, end: number, isQuoted: boolean, fault: ?string, forms?: string[], isIn?: boolean,
 *   items?: any[]}[]} `text` is the meaning, without quotes and escapes; keywords in lower case;
 *   operators in their standard spelling, including `in` and `not in`, which a list of `items`
 *   (tokens) follows; `forms`: operators and values that may have been meant
 */
export function tokenize(source, names = null) {
  const tokens = [];
  for (let at = 0; at < source.length; ) {
    const space = match(SPACE, source, at);
    if (space) at += space[0].length;
    else {
      const token = tokenAt(source, at, tokens.at(-1), names);
      tokens.push(token);
      at = token.end;
    }
  }
  return tokens;
}

function tokenAt(source, start, before, names) {
  if (before?.type === "operator" && before.isIn) return list(source, start);
  const character = source[start];
  if (character === "(" || character === ")") {
    return token(character === "(" ? "open" : "close", character, start, start + 1);
  }
  const join = match(JOIN, source, start)?.[0];
  if (join) return token("keyword", JOINING[join], start, start + join.length);
  if (opensQuote(source, start)) return quotedText(source, start, /[\s()]|&&|\|\|/y);
  const isValue = before?.type === "operator";
  if (before?.type === "name") return operator(source, start);
  if (isValue) return bareText(source, start, before);
  if (match(NOT, source, start)) return token("keyword", "not", start, start + 1);
  const name = nameAt(source, start, names);
  if (name && !KEYWORD.test(name)) return token("name", name, start, start + name.length);
  return bareText(source, start, null);
}

function nameAt(source, start, names) {
  for (const pattern of names ? KNOWN_NAMES : []) {
    const known = match(pattern, source, start)?.[1];
    if (known && names.find(known).length > 0) return known;
  }
  return match(NAME, source, start)?.[1] ?? null;
}

/** Read the operator after a name, which is a name because an operator follows. */
function operator(source, start) {
  const written = match(OPERATOR, source, start)?.[0];
  if (written) {
    const symbol = SPELLINGS[written] ?? written;
    return token("operator", symbol, start, start + written.length);
  }
  if (source[start] === ":") return token("operator", "=", start, start + 1);
  const [text, negation] = match(IN, source, start);
  const made = token("operator", negation ? "not in" : "in", start, start + text.length);
  return { ...made, isIn: true };
}

/** @param {?FilterNode} before  the operator, if this is its value */
function bareText(source, start, before) {
  const text = match(BARE, source, start)[0];
  const end = start + text.length;
  // Directly after an operator a keyword is a value: comm=and.
  if (KEYWORD.test(text) && before?.end !== start)
    return token("keyword", text.toLowerCase(), start, end);
  const sign = /^[=~<>!]+/.exec(text)?.[0];
  if (before && sign && before.end === start) return wrongOperator(before, text, sign, start, end);
  const symbol = match(SYMBOL, source, start)?.[0];
  if (symbol && !before) {
    const fault = `missing column before ${symbol}; quote it to search for the text`;
    return { ...token("text", text, start, end), fault };
  }
  if (source[end] === '"') {
    return {
      ...token("text", text, start, end),
      fault: "a quote inside a text: quote the whole text",
    };
  }
  return token("text", text, start, end);
}

/** comm=~rm, pid=!5: an operator of another language, or the beginning of a text. */
function wrongOperator(before, text, sign, start, end) {
  const value = text.slice(sign.length);
  const all = before.text + sign;
  const forms = [];
  if (value && /^[=~!]+$/.test(all)) {
    const negation = all.includes("!") ? "!" : "";
    const glob = value.replace(/^\^|\$$/g, "").replace(/\.\*/g, "*");
    forms.push(all.includes("~") ? `${negation}~${partOf(glob)}` : `${negation}=${value}`);
  }
  forms.push(`${before.text}"${text}"`);
  const fault = `${all} is not an operator; to include ${sign} in the value, put the value in quotes`;
  return { ...token("text", text, start, end), fault, forms };
}

/** Return a pattern that matches any part, as a regular expression does. */
function partOf(glob) {
  return /[*?]/.test(glob) ? glob : `*${glob}*`;
}

/** Read the list after `in`: `rm,git` or `(rm, "my file", git)`. */
function list(source, start) {
  const isOpen = source[start] === "(";
  const items = [];
  let at = start + (isOpen ? 1 : 0);
  const done = (end, fault = null) => ({
    ...token("list", source.slice(start, end), start, end),
    items,
    fault: fault ?? items.find((item) => item.fault)?.fault ?? null,
  });
  for (let isWanted = true; ; ) {
    at += match(SPACE, source, at)?.[0].length ?? 0;
    if (isOpen && source[at] === ")")
      return done(at + 1, items.length ? null : "the list is empty");
    if (at >= source.length && isOpen) return done(at, "missing closing parenthesis");
    const item = isWanted || isOpen ? itemAt(source, at) : null;
    if (!item) {
      if (items.length > 0 && !isWanted && !isOpen) return done(items.at(-1).end);
      const fault = isOpen
        ? "a list takes values separated by commas"
        : "missing value in the list";
      return done(Math.max(at, start + 1), fault);
    }
    items.push(item);
    const comma = match(SEPARATOR, source, item.end);
    at = item.end + (comma?.[0].length ?? 0);
    isWanted = comma !== null;
  }
}

function itemAt(source, at) {
  if (opensQuote(source, at, ",")) return quotedText(source, at, /[\s(),]|&&|\|\|/y);
  const text = match(ITEM, source, at)?.[0];
  return text ? token("text", text, at, at + text.length) : null;
}

/** Whether a quote opens here. An apostrophe does only if another closes it: 'tis is a word. */
function opensQuote(source, start, alsoEnds = "") {
  const closing = QUOTES[source[start]];
  if (!closing || !Object.hasOwn(QUOTES, source[start])) return false;
  if (source[start] !== "'" && source[start] !== "‘") return true;
  const rest = source.slice(start + 1);
  return new RegExp(`^[^${closing}]*[${closing}](?:$|[\\s()${alsoEnds}]|&&|\\|\\|)`).test(rest);
}

function quotedText(source, start, ending) {
  const closing = QUOTES[source[start]];
  let text = "";
  let at = start + 1;
  while (at < source.length && !closing.includes(source[at])) {
    if (source[at] !== "\\") {
      text += source[at++];
      continue;
    }
    const escaped = match(ESCAPE, source, at);
    const code = escaped?.[2] === undefined ? 0 : parseInt(escaped[2], 16);
    if (!escaped || code > LAST_CODE_POINT) {
      const fault = 'inside quotes, write a backslash as \\\\ and a quote as \\"';
      return { ...quotedToken(text, at, Math.min(at + 2, source.length)), fault };
    }
    text += escaped[1]
      ? (ESCAPED[escaped[1].toLowerCase()] ?? escaped[1])
      : String.fromCodePoint(code);
    at += escaped[0].length;
  }
  if (at >= source.length) {
    return { ...quotedToken(text, start, source.length), fault: "missing closing quote" };
  }
  const end = at + 1;
  if (end < source.length && !match(ending, source, end)) {
    return {
      ...quotedToken(text, start, end),
      fault: "missing space after the closing quote",
    };
  }
  return quotedToken(text, start, end);
}

function quotedToken(text, start, end) {
  return { ...token("text", text, start, end), isQuoted: true };
}

function token(type, text, start, end) {
  return { type, text, start, end, isQuoted: false, fault: null };
}

function match(pattern, source, at) {
  pattern.lastIndex = at;
  return pattern.exec(source);
}
