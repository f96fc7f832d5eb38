// SPDX-License-Identifier: Apache-2.0

// The one table of what the filter language has. Lexer, tests of rows, completion, the cheat
// sheet of the page and docs/filters.md (by a test) all follow it.

/**
 * `symbol` as typed; `says` between a column's title and a value, in words; `kinds` of columns
 * that take it; `negates` the operator whose opposite it is.
 */
export const OPERATORS = [
  {
    symbol: "=",
    says: "is",
    kinds: ["text", "number", "time"],
    example: "comm=rm",
    help: "this text or number; with * or ? as ~; numbers and times also from a to b: pid=10..20, pid=10.., pid=..20",
  },
  {
    symbol: "!=",
    says: "is not",
    kinds: ["text", "number", "time"],
    negates: "=",
    example: "comm!=git",
    help: "everything that = does not let through, also events without a value",
  },
  {
    symbol: "~",
    says: "matches",
    kinds: ["text"],
    example: "filename~*.log",
    help: "the whole text fits the pattern, in any case: * stands for any characters, ? for one",
  },
  {
    symbol: "!~",
    says: "does not match",
    kinds: ["text"],
    negates: "~",
    example: "filename!~/tmp/*",
    help: "everything that ~ does not let through, also events without a value",
  },
  { symbol: "<", says: "is less than", kinds: ["number", "time"], example: "ret<0", help: "less" },
  {
    symbol: "<=",
    says: "is at most",
    kinds: ["number", "time"],
    example: "latency<=50us",
    help: "less or equal",
  },
  {
    symbol: ">",
    says: "is more than",
    kinds: ["number", "time"],
    example: "latency>1ms",
    help: "more",
  },
  {
    symbol: ">=",
    says: "is at least",
    kinds: ["number", "time"],
    example: "time>=10:15",
    help: "more or equal",
  },
];

/** The symbols, longer ones first: `<=` is not `<` and `=`. */
export const SYMBOLS = OPERATORS.map(({ symbol }) => symbol).sort((a, b) => b.length - a.length);

/** Other ways to write them, as people do who know other languages. */
export const SPELLINGS = {
  "==": "=",
  "===": "=",
  "!==": "!=",
  "<>": "!=",
  "=<": "<=",
  "=>": ">=",
  "≠": "!=",
  "≤": "<=",
  "≥": ">=",
};

/** All of them, longer ones first. */
export const WRITTEN = [...SYMBOLS, ...Object.keys(SPELLINGS)].sort((a, b) => b.length - a.length);

/** Other ways to write joining words, which need no space around them. */
export const JOINING = { "&&": "and", "||": "or" };

// What stands between a column and a value in other languages -> the test that it means here.
const pattern = (text) => text.replace(/%/g, "*").replace(/_/g, "?");
export const FOREIGN = {
  like: (value) => `~${pattern(value)}`,
  ilike: (value) => `~${pattern(value)}`,
  contains: (value) => `~*${value}*`,
  has: (value) => `~*${value}*`,
  startswith: (value) => `~${value}*`,
  endswith: (value) => `~*${value}`,
  matches: (value) => `~${value}`,
  is: (value) => `=${value}`,
  eq: (value) => `=${value}`,
  equals: (value) => `=${value}`,
  ne: (value) => `!=${value}`,
  neq: (value) => `!=${value}`,
  lt: (value) => `<${value}`,
  le: (value) => `<=${value}`,
  lte: (value) => `<=${value}`,
  gt: (value) => `>${value}`,
  ge: (value) => `>=${value}`,
  gte: (value) => `>=${value}`,
};

/** The words that join tests, from the one that binds most. In any case: `AND` is `and`. */
export const KEYWORDS = [
  { word: "not", example: "not comm=git", help: "the opposite of the test behind it; also !" },
  {
    word: "and",
    example: "comm=rm and ret<0",
    help: "both; between two tests it may be left out; also &&",
  },
  { word: "or", example: "comm=rm or comm=git", help: "one of them, or both; also ||" },
];

/** What else there is to know, for the cheat sheet. */
export const FORMS = [
  { form: "word", example: "rm", help: "in any text column, in any case" },
  {
    form: "quotes",
    example: '"my file"',
    help: 'spaces and signs as they are; inside \\" \\\\ \\n \\t \\u{202e}',
  },
  { form: "parentheses", example: "(comm=rm or comm=mv) ret<0", help: "what belongs together" },
  { form: "lists", example: "comm in (rm, git)", help: "one of these values; also not in" },
  { form: "names", example: "ret=ENOENT", help: "errors, and users (uid=alice), by name" },
  { form: "units", example: "latency>1.5ms", help: "ns, us or µs, ms, s; without one: ns" },
];

const BY_SYMBOL = new Map(OPERATORS.map((operator) => [operator.symbol, operator]));

/** The entry of a symbol. */
export function operatorOf(symbol) {
  return BY_SYMBOL.get(symbol);
}

/** Whether a bare word is `and`, `or` or `not`. */
export function isKeyword(text) {
  const lower = text.toLowerCase();
  return KEYWORDS.some(({ word }) => word === lower);
}

/** @returns {"text"|"time"|"number"} which operators and values a column takes */
export function kindOf({ type }) {
  if (type === "text") return "text";
  return type === "timestamp_ns" ? "time" : "number";
}
