// SPDX-License-Identifier: Apache-2.0

// The filter's text -> a tree with positions. `not` binds most, then `and` (also where two
// tests stand side by side), then `or`.

import { FilterFault, quoted } from "./fault.js";
import { tokenize } from "./tokens.js";

const LONGEST = 20_000; // characters; a path has at most 4,095 bytes
const DEEPEST = 64; // parentheses and nots within each other

// latency>1 ms: the unit belongs to the number before it.
const BARE_NUMBER = /(?:^|\.\.)[+-]?[\d.,]*\d$/;
const UNIT = /^(?:ns|us|µs|μs|ms|s)$/i;

/**
 * Nodes: `{type: "word", text}`, `{type: "term", name, operator, value}`, `{type: "not", part}`,
 * `{type: "and" | "or", parts}`. Each has `start` and `end`, with its parentheses; a term
 * also `nameEnd` and `valueStart`.
 *
 * @param {string} source
 * @returns {?object} null for a blank text
 * @throws {FilterFault}
 */
export function parse(source) {
  if (source.length > LONGEST) {
    throw new FilterFault(
      `the filter is longer than ${LONGEST} characters`,
      LONGEST,
      source.length,
    );
  }
  return new Parser(source).read();
}

class Parser {
  #tokens;
  #at = 0;
  #depth = 0;
  #length;

  constructor(source) {
    this.#tokens = tokenize(source);
    this.#length = source.trimEnd().length;
  }

  read() {
    const wrong = this.#tokens.find(({ fault }) => fault);
    if (wrong) throw new FilterFault(wrong.fault, wrong.start, wrong.end);
    if (this.#tokens.length === 0) return null;
    const tree = this.#or();
    const rest = this.#next();
    if (rest)
      throw new FilterFault("this closing parenthesis has no opening one", rest.start, rest.end);
    return tree;
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
    for (let token; (token = this.#next()) && token.type !== "close" && !this.#isKeyword("or"); ) {
      if (this.#isKeyword("and")) this.#at++;
      parts.push(this.#not());
    }
    return joined("and", parts);
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
    return { type: "word", text: token.text, start: token.start, end: token.end };
  }

  #group({ start, end }) {
    this.#deeper(start, end);
    const tree = this.#or();
    this.#depth--;
    const closing = this.#next();
    if (closing?.type !== "close")
      throw new FilterFault("the closing parenthesis is missing", start, end);
    this.#at++;
    return { ...tree, start, end: closing.end };
  }

  #term(name) {
    const operator = this.#tokens[this.#at++];
    const value = this.#next();
    if (value?.type !== "text") {
      const isGroup = value?.type === "open" || value?.type === "close";
      const hint =
        isGroup && value.start === operator.end ? "; parentheses in a text need quotes" : "";
      throw new FilterFault(
        `a value is missing after ${operator.text}${hint}`,
        name.start,
        operator.end,
      );
    }
    this.#at++;
    const unit = this.#next();
    const takesUnit =
      !value.isQuoted &&
      BARE_NUMBER.test(value.text) &&
      unit?.type === "text" &&
      !unit.isQuoted &&
      UNIT.test(unit.text);
    if (takesUnit) this.#at++;
    return {
      type: "term",
      name: name.text,
      operator: operator.text,
      value: takesUnit ? value.text + unit.text : value.text,
      start: name.start,
      nameEnd: name.end,
      valueStart: value.start,
      end: takesUnit ? unit.end : value.end,
    };
  }

  #missingTest(token) {
    const before = this.#tokens[this.#at - 1];
    if (!token || token.type === "close") {
      if (!before)
        return new FilterFault(
          "this closing parenthesis has no opening one",
          token.start,
          token.end,
        );
      const message =
        before.type === "open"
          ? "nothing stands in the parentheses"
          : `something is missing after ${quoted(before.text)}`;
      return new FilterFault(message, before.start, token?.end ?? this.#length);
    }
    const message = `${quoted(token.text)} joins two tests; quotes make it a text to search for`;
    return new FilterFault(message, token.start, token.end);
  }

  #deeper(start, end) {
    if (++this.#depth > DEEPEST)
      throw new FilterFault("too many parentheses within each other", start, end);
  }
}

function joined(type, parts) {
  if (parts.length === 1) return parts[0];
  return { type, parts, start: parts[0].start, end: parts.at(-1).end };
}
