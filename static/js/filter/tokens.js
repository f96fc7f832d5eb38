// SPDX-License-Identifier: Apache-2.0

// The filter's text as tokens. Nothing is thrown: a token that is wrong says so in `fault`,
// so that completion can read a text that is not finished.

import { SYMBOLS } from "./operators.js";

const SPACE = /\s+/y;
const SYMBOL = SYMBOLS.join("|");
// == for =, as people who write programs type it.
const NAME = new RegExp(`([A-Za-z_]\\w*)(?=\\s*(?:==|${SYMBOL}))`, "y");
const OPERATOR = new RegExp(`==|${SYMBOL}`, "y");
const BARE = /[^\s"()]+/y;
const ESCAPE = /\\(?:(["\\nrt])|u\{([0-9a-f]{1,6})\})/iy;
const ESCAPED = { n: "\n", r: "\r", t: "\t" };
const LAST_CODE_POINT = 0x10ffff;
const KEYWORD = /^(?:and|or|not)$/i;

/**
 * @param {string} source
 * @returns {{type: "name"|"operator"|"text"|"keyword"|"open"|"close", text: string,
 *   start: number, end: number, isQuoted: boolean, fault: ?string}[]} `text` is what is
 *   meant, without quotes and escapes; keywords in lower case
 */
export function tokenize(source) {
  const tokens = [];
  for (let at = 0; at < source.length; ) {
    const space = match(SPACE, source, at);
    if (space) at += space[0].length;
    else {
      const token = tokenAt(source, at, tokens.at(-1));
      tokens.push(token);
      at = token.end;
    }
  }
  return tokens;
}

function tokenAt(source, start, before) {
  const character = source[start];
  if (character === "(" || character === ")") {
    return token(character === "(" ? "open" : "close", character, start, start + 1);
  }
  if (character === '"') return quotedText(source, start);
  const isValue = before?.type === "operator";
  const operator = match(OPERATOR, source, start)?.[0];
  if (operator && before?.type === "name") {
    return token("operator", operator === "==" ? "=" : operator, start, start + operator.length);
  }
  const name = isValue ? null : match(NAME, source, start)?.[1];
  if (name && !KEYWORD.test(name)) return token("name", name, start, start + name.length);
  return bareText(source, start, isValue ? before.end : null, operator);
}

/** @param {?number} valueFrom  the end of the operator before, when this is its value */
function bareText(source, start, valueFrom, operator) {
  const text = match(BARE, source, start)[0];
  const end = start + text.length;
  // Right behind its operator a keyword is a value: comm=and.
  if (KEYWORD.test(text) && valueFrom !== start)
    return token("keyword", text.toLowerCase(), start, end);
  if (operator && valueFrom === null) {
    const fault = `a column is missing before ${operator}; quotes make it a text to search for`;
    return { ...token("text", text, start, end), fault };
  }
  if (source[end] === '"') {
    return {
      ...token("text", text, start, end),
      fault: "a quote within a text: put all of it in quotes",
    };
  }
  return token("text", text, start, end);
}

function quotedText(source, start) {
  let text = "";
  let at = start + 1;
  while (at < source.length && source[at] !== '"') {
    if (source[at] !== "\\") {
      text += source[at++];
      continue;
    }
    const escape = match(ESCAPE, source, at);
    const code = escape?.[2] === undefined ? 0 : parseInt(escape[2], 16);
    if (!escape || code > LAST_CODE_POINT) {
      const fault = 'inside quotes a backslash is written \\\\ and a quote \\"';
      return { ...quotedToken(text, at, Math.min(at + 2, source.length)), fault };
    }
    text += escape[1]
      ? (ESCAPED[escape[1].toLowerCase()] ?? escape[1])
      : String.fromCodePoint(code);
    at += escape[0].length;
  }
  if (at >= source.length) {
    return { ...quotedToken(text, start, source.length), fault: "the closing quote is missing" };
  }
  const end = at + 1;
  if (end < source.length && !/[\s()]/.test(source[end])) {
    return {
      ...quotedToken(text, start, end),
      fault: "a space is missing behind the closing quote",
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
