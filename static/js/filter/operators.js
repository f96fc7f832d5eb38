// SPDX-License-Identifier: Apache-2.0

// The elements of the filter language, in one table, which the lexer, the row tests, completion, the
// page's cheat sheet and docs/filters.md (by a test) follow.

/**
 * `symbol` as typed; `says` it in words, between a column's title and a value; `kinds` of columns
 * that accept it; `negates` the operator that it negates.
 */
export const OPERATORS = [
  {
    symbol: "=",
    says: "is",
    kinds: ["text", "number", "time", "bool"],
    example: "comm=rm",
    help: "equals this text or number; with * or ?, matches the whole text as ~ does, but not ignoring case; numbers and times also take ranges: pid=10..20, pid=10.., pid=..20",
  },
  {
    symbol: "!=",
    says: "is not",
    kinds: ["text", "number", "time", "bool"],
    negates: "=",
    example: "comm!=git",
    help: "everything that = does not match, including events without a value",
  },
  {
    symbol: "~",
    says: "matches",
    kinds: ["text"],
    example: "filename~*.log",
    help: "the whole text matches the pattern, ignoring case: * is any number of characters, ? is one",
  },
  {
    symbol: "!~",
    says: "does not match",
    kinds: ["text"],
    negates: "~",
    example: "filename!~/tmp/*",
    help: "everything that ~ does not match, including events without a value",
  },
  {
    symbol: "<",
    says: "is less than",
    kinds: ["number", "time"],
    example: "ret<0",
    help: "less than",
  },
  {
    symbol: "<=",
    says: "is at most",
    kinds: ["number", "time"],
    example: "latency<=50us",
    help: "at most",
  },
  {
    symbol: ">",
    says: "is greater than",
    kinds: ["number", "time"],
    example: "latency>1ms",
    help: "greater than",
  },
  {
    symbol: ">=",
    says: "is at least",
    kinds: ["number", "time"],
    example: "time>=10:15",
    help: "at least",
  },
];

/** The symbols, longer ones first: `<=` is not `<` and `=`. */
export const SYMBOLS = OPERATORS.map(({ symbol }) => symbol).sort((a, b) => b.length - a.length);

/** Alternative spellings, from other languages. */
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

/** All symbols and spellings, longer ones first. */
export const WRITTEN = [...SYMBOLS, ...Object.keys(SPELLINGS)].sort((a, b) => b.length - a.length);

/** Alternative spellings of keywords, which need no space around them. */
export const JOINING = { "&&": "and", "||": "or" };

// Operators of other languages -> the equivalent test.
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

/** The keywords, in order of precedence. Case is ignored: `AND` is `and`. */
export const KEYWORDS = [
  { word: "not", example: "not comm=git", help: "negates the test that follows; also !" },
  {
    word: "and",
    example: "comm=rm and ret<0",
    help: "both tests match; may be omitted between two tests; also &&",
  },
  { word: "or", example: "comm=rm or comm=git", help: "either test matches, or both; also ||" },
];

/** Other elements, for the cheat sheet. */
export const FORMS = [
  { form: "word", example: "rm", help: "in any text column, ignoring case" },
  {
    form: "quotes",
    example: '"my file"',
    help: 'literal spaces and symbols; escapes: \\" \\\\ \\n \\t \\u{202e}',
  },
  { form: "parentheses", example: "(comm=rm or comm=mv) ret<0", help: "group tests" },
  { form: "lists", example: "comm in (rm, git)", help: "any of these values; also not in" },
  {
    form: "names",
    example: "ret=ENOENT",
    help: "errors, users (uid=alice) and what a column shows by name; true and false",
  },
  { form: "hexadecimal", example: "pid=0x1f", help: "any number may be written with 0x" },
  { form: "units", example: "latency>1.5ms", help: "ns, us or µs, ms, s; ns if omitted" },
];

const BY_SYMBOL = new Map(OPERATORS.map((operator) => [operator.symbol, operator]));

/** Return the entry of a symbol. */
export function operatorOf(symbol) {
  return BY_SYMBOL.get(symbol);
}

/** Whether a bare word is `and`, `or` or `not`. */
export function isKeyword(text) {
  const lower = text.toLowerCase();
  return KEYWORDS.some(({ word }) => word === lower);
}

/** @returns {"text"|"time"|"number"|"bool"} which operators and values a column accepts */
export function kindOf({ type }) {
  if (type === "text" || type === "bool") return type;
  return type === "timestamp_ns" ? "time" : "number";
}
