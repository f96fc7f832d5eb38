// SPDX-License-Identifier: Apache-2.0

// Parses a filter's text into a tree with positions. `not` binds tightest, then `and` (which may be
// omitted between two tests), then `or`.

import { FilterFault, quoted } from "./fault.js";
import { hasWildcard } from "./glob.js";
import { isUnit } from "./literals.js";
import { FOREIGN, kindOf } from "./operators.js";
import { tokenize } from "./tokens.js";

/** @import { ColumnNames } from "./column_names.js" */

const MAX_CHARACTERS = 20_000; // characters; a path has at most 4,095 bytes
const MAX_DEPTH = 64; // of nested parentheses and nots

// latency>1 ms: the unit belongs to the number before it, if the column has a unit.
const BARE_NUMBER = /(?:^|\.\.)[+−-]?[\d.,]*\d$/;
const DATE = /(?:^|\.\.)\d{4}-\d{2}-\d{2}$/;
const ENDS_IN_CLOCK = /:\d{2}(?:\.\d+)?$/;
const CLOCK = /^\d{1,2}:\d{2}/;
const ZONE = /^(?:Z|[+−-]\d{2}:?\d{2})$/i;
const FOREIGN_WORD = new RegExp(`^(?:${Object.keys(FOREIGN).join("|")})$`, "i");

/**
 * Nodes: `{type: "word", text}`, `{type: "term", name, operator, value}`, `{type: "not", part}`,
 * `{type: "and" | "or", parts}`. Each has `start` and `end`, with its parentheses; a term
 * also `nameEnd`, `valueStart`, `isQuoted`, and `isGlob` if = or != has a pattern. A list is an `or`
 * of its terms.
 *
 * @param {string} source
 * @param {?ColumnNames} names  of the known columns: units, lists and ranges with spaces depend on
 *   the column
 * @returns {?object} null for a blank text
 * @throws {FilterFault}
 */
export function parse(source, names = null) {
  if (source.length > MAX_CHARACTERS) {
    throw new FilterFault(
      `the filter is longer than ${MAX_CHARACTERS} characters`,
      MAX_CHARACTERS,
      source.length,
    );
  }
  return new Parser(source, names).read();
}

class Parser {
  #source;
  #names;
  #tokens;
  #at = 0;
  #depth = 0;
  #length;

  constructor(source, names) {
    this.#source = source;
    this.#names = names;
    this.#tokens = tokenize(source, names);
    this.#length = source.trimEnd().length;
  }

  read() {
    const wrong = this.#tokens.findIndex(({ fault }) => fault);
    if (wrong >= 0) throw this.#faultOf(wrong);
    if (this.#tokens.length === 0) return null;
    const tree = this.#or();
    const rest = this.#next();
    if (rest) throw new FilterFault("unmatched closing parenthesis", rest.start, rest.end);
    return tree;
  }

  /** Return the fault of a token; `forms` of a value replace its operator too. */
  #faultOf(index) {
    const { fault, forms = [], start, end } = this.#tokens[index];
    const from = this.#tokens[index - 1]?.start;
    const fixes = forms.map((insert) => ({ start: from, end, insert }));
    return new FilterFault(fault, start, end, fixes);
  }

  #next() {
    return this.#tokens[this.#at];
  }

  #isKeyword(word) {
    const token = this.#next();
    return token?.type === "keyword" && token.text === word;
  }

  #or() {
    const parts = [this.#and()];
    while (this.#isKeyword("or")) {
      this.#at++;
      parts.push(this.#and());
    }
    return joined("or", parts);
  }

  #and() {
    const parts = [this.#not()];
    while (!this.#isAtEndOfAnd()) {
      if (this.#isKeyword("and")) this.#at++;
      parts.push(this.#not());
    }
    return joined("and", parts);
  }

  #isAtEndOfAnd() {
    const token = this.#next();
    return !token || token.type === "close" || this.#isKeyword("or");
  }

  #not() {
    if (!this.#isKeyword("not")) return this.#test();
    const { start, end } = this.#next();
    this.#at++;
    this.#deeper(start, end);
    const part = this.#not();
    this.#depth--;
    return { type: "not", part, start, end: part.end };
  }

  #test() {
    const token = this.#next();
    if (!token || token.type === "keyword" || token.type === "close")
      throw this.#missingTest(token);
    this.#at++;
    if (token.type === "open") return this.#group(token);
    if (token.type === "name") return this.#term(token);
    this.#refuseForeign(token);
    const { text, isQuoted, start, end } = token;
    return { type: "word", text, isQuoted, start, end };
  }

  #group({ start, end }) {
    this.#deeper(start, end);
    const tree = this.#or();
    this.#depth--;
    const closing = this.#next();
    if (closing?.type !== "close") throw new FilterFault("missing closing parenthesis", start, end);
    this.#at++;
    return { ...tree, start, end: closing.end };
  }

  #term(name) {
    const operator = this.#tokens[this.#at++];
    const value = this.#next();
    if (value?.type === "list") return this.#list(name, operator, value);
    if (value?.type !== "text") throw this.#missingValue(name, operator, value);
    this.#at++;
    const { text, end } = value.isQuoted ? value : this.#whole(name, operator, value);
    return termOf(name, operator.text, { ...value, text }, name.start, end);
  }

  #list(name, operator, { items, end }) {
    this.#at++;
    const terms = items.map((item) => ({
      ...termOf(name, "=", item, item.start, item.end),
      isInList: true,
    }));
    const { start } = name;
    const isOne = operator.text === "in" && terms.length === 1;
    if (isOne) return { ...terms[0], start, end };
    const part = { ...joined("or", terms), start, end };
    return operator.text === "in" ? part : { type: "not", part, start, end };
  }

  /** Join a value with what belongs to it after spaces: a unit, a time after its date, a range. */
  #whole(name, operator, { text, end }) {
    const columns = this.#names?.find(name.text) ?? [];
    const kinds = new Set(columns.map(kindOf));
    if (kinds.size === 0 || kinds.has("text")) return { text, end };
    const isMeasured = columns.some(({ unit }) => unit !== null);
    const takesRange = operator.text === "=" || operator.text === "!=";
    for (; this.#next()?.type === "text" && !this.#next().isQuoted; this.#at++) {
      const token = this.#next();
      const { text: next } = token;
      const [first] = next.split("..", 1);
      const belongs =
        (isMeasured && BARE_NUMBER.test(text) && isUnit(first)) ||
        (kinds.has("time") && DATE.test(text) && CLOCK.test(first)) ||
        (kinds.has("time") && ENDS_IN_CLOCK.test(text) && ZONE.test(first)) ||
        (takesRange && !text.includes("..") && next.startsWith("..")) ||
        (takesRange && text.endsWith("..") && /^[+−-]?\d/.test(next));
      if (!belongs) break;
      text += DATE.test(text) && CLOCK.test(first) ? ` ${next}` : next;
      end = token.end;
    }
    return { text, end };
  }

  #missingValue(name, operator, value) {
    const isGroup = value?.type === "open" || value?.type === "close";
    const isTouching = isGroup && value.start === operator.end;
    const hint = isTouching ? "; quote a text that contains parentheses" : "";
    const message = `missing value after ${operator.text}${hint}`;
    const fixes = isGroup ? this.#listInstead(operator, value) : [];
    return new FilterFault(message, name.start, operator.end, fixes);
  }

  /** comm=(rm or git), comm=(rm,git): a list. */
  #listInstead(operator, { start }) {
    const found = /^\(([^()"]*)\)/.exec(this.#source.slice(start));
    const values = found?.[1].split(/\s*(?:,|\|+)\s*|\s+(?:or\s+)?/i).filter(Boolean) ?? [];
    if (values.length === 0 || (operator.text !== "=" && operator.text !== "!=")) return [];
    const isIn = operator.text === "=" ? "in" : "not in";
    const end = start + found[0].length;
    return [{ start: operator.start, end, insert: ` ${isIn} (${values.join(", ")})` }];
  }

  /** Refuse operators of other languages, comm like '%rm%': three words are never meant. */
  #refuseForeign({ text, isQuoted, start, end: nameEnd }) {
    const [word, value] = this.#tokens.slice(this.#at, this.#at + 2);
    if (isQuoted || value?.type !== "text" || word.isQuoted) return;
    if (!this.#names || this.#names.find(text).length === 0) return;
    if (word.type !== "text") return;
    if (/^between$/i.test(word.text)) throw this.#between(start, text, word, value);
    if (!FOREIGN_WORD.test(word.text)) return;
    const isNull = !value.isQuoted && /^(?:null|none|nil)$/i.test(value.text);
    const written = /\s/.test(value.text) ? null : value.text;
    const fixes = [];
    if (isNull) fixes.push({ start, end: value.end, insert: `not ${text}~*` });
    else if (written !== null) {
      const insert = text + FOREIGN[word.text.toLowerCase()](written);
      fixes.push({ start, end: value.end, insert });
    }
    fixes.push({ start, end: nameEnd, insert: `"${text}"` });
    throw new FilterFault(
      `${quoted(word.text)} is not an operator; to search for the text ${quoted(text)}, put it in quotes`,
      word.start,
      word.end,
      fixes,
    );
  }

  /** pid between 1 and 5 */
  #between(start, name, word, from) {
    const [and, to] = this.#tokens.slice(this.#at + 2, this.#at + 4);
    const isWhole = and?.text === "and" && to?.type === "text";
    const fixes = isWhole
      ? [{ start, end: to.end, insert: `${name}=${from.text}..${to.text}` }]
      : [];
    const message = `${quoted(word.text)} is not an operator: a range is written ${name}=1..5`;
    return new FilterFault(message, word.start, word.end, fixes);
  }

  #missingTest(token) {
    const before = this.#tokens[this.#at - 1];
    if (!token || token.type === "close") {
      if (!before) return new FilterFault("unmatched closing parenthesis", token.start, token.end);
      const message =
        before.type === "open"
          ? "the parentheses are empty"
          : `missing test after ${this.#typed(before)}`;
      return new FilterFault(message, before.start, token?.end ?? this.#length);
    }
    const message = `${this.#typed(token)} joins two tests; quote it to search for the text`;
    return new FilterFault(message, token.start, token.end);
  }

  #typed({ start, end }) {
    return quoted(this.#source.slice(start, end));
  }

  #deeper(start, end) {
    if (++this.#depth > MAX_DEPTH)
      throw new FilterFault("parentheses are nested too deeply", start, end);
  }
}

function termOf(name, operator, value, start, end) {
  const isExact = operator === "=" || operator === "!=";
  return {
    type: "term",
    name: name.text,
    operator,
    value: value.text,
    isQuoted: value.isQuoted,
    isGlob: isExact && !value.isQuoted && hasWildcard(value.text),
    start,
    nameEnd: name.end,
    valueStart: value.start,
    end,
  };
}

function joined(type, parts) {
  if (parts.length === 1) return parts[0];
  return { type, parts, start: parts[0].start, end: parts.at(-1).end };
}
