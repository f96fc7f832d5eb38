// SPDX-License-Identifier: Apache-2.0

// What a probe with a target can take of the page's filter into its own, `where`: tests of its
// columns that the kernel may be able to make. The service decides, and says in `where_in_service`
// what the kernel does not test.

import { ColumnNames } from "./column_names.js";
import { compileFilter } from "./compile.js";
import { conjuncts, isBare } from "./edits.js";
import { FilterFault } from "./fault.js";
import { pieces, plain } from "./glob.js";
import { kindOf } from "./operators.js";
import { parse } from "./parse.js";
import { print } from "./print.js";

/** The most characters that the service accepts (docs/protocol.md, "Starting"). */
const MAX_WHERE = 4_096;
/** The longest text that the kernel compares. */
const MAX_TEXT_BYTES = 64;
/** Of the whole batch, not of the record that the kernel tests. */
const OF_BATCH = ["probe", "mode"];
// Rows show bytes that are not UTF-8 as \xNN, and what is cut off as an ellipsis.
const SHOWN = /[\\…]/;
const SHOWN_END = /^[0-9a-fA-Fx]/;

/**
 * Whether the kernel may be able to make a test; docs/filters.md has the rules. Whether it has room,
 * and what it reads of a column, only the service knows.
 * @param {FilterNode} node  @param {(name: string) => any} columnOf  the column; undefined if none
 */
export function mayRunInKernel(node, columnOf) {
  if (node.type === "word") return false;
  if (node.type !== "term")
    return (node.parts ?? [node.part]).every((part) => mayRunInKernel(part, columnOf));
  const column = columnOf(node.name);
  if (!column || kindOf(column) === "time" || OF_BATCH.includes(column.name)) return false;
  return kindOf(column) !== "text" || column.names?.all.length > 0 || isPlainText(node);
}

function isPlainText({ operator, value, isGlob }) {
  const ignoresCase = operator.endsWith("~");
  if (!ignoresCase && !isGlob) return isComparable(value);
  const parts = pieces(value);
  const stars = [...parts.keys()].filter((i) => parts[i] === "*");
  const text = parts
    .filter((piece) => piece !== "*")
    .map(plain)
    .join("");
  const hasCase = text.toLowerCase() !== text || text.toUpperCase() !== text;
  if (parts.includes("?") || (ignoresCase && hasCase) || !isComparable(text)) return false;
  if (stars.length === 0) return true;
  if (stars.at(-1) - stars[0] !== stars.length - 1) return false;
  return stars.at(-1) === parts.length - 1 || (stars[0] === 0 && !SHOWN_END.test(text));
}

function isComparable(text) {
  return !SHOWN.test(text) && new TextEncoder().encode(text).length <= MAX_TEXT_BYTES;
}

/** Tests of the page's filter that are added to the `where` of one probe. */
export class WhereChange {
  #names; // all that the page knows
  #look;
  #columns; // the probe's, as the page knows them
  #ownNames; // as the service reads the names in this probe's filter
  #isRefused;
  #tested; // what the probe's filter has already, printed

  /**
   * @param {Probe} probe  @param {ColumnNames} names  all that the page knows
   * @param {(column: any) => Look} look  as `compileFilter`
   * @param {{keyOf: (probe: string, name: string, type: string) => string,
   *   isRefused: (probe: Probe, term: string) => boolean}} own  `keyOf` as that of `Columns`;
   *   `isRefused`: the service has said that the kernel does not test it
   */
  constructor(probe, names, look, { keyOf, isRefused }) {
    this.probe = probe;
    /** The probe's filter before the change, "" for none. */
    this.before = probe.where ?? "";
    /** What is added: the conjunct of the page's filter, and its text in that of the probe. */
    this.terms = [];
    this.#names = names;
    this.#look = look;
    this.#isRefused = isRefused;
    /** @type {any[]} */
    const known = names.columns;
    const keys = new Set(probe.columns.map(({ name, type }) => keyOf(probe.id, name, type)));
    this.#columns = new ColumnNames(known.filter(({ key }) => keys.has(key)));
    this.#ownNames = new ColumnNames(probe.columns.map((column) => ({ unit: null, ...column })));
    this.#tested = new Set(conjuncts(this.#parsed(this.before)).map(print));
  }

  get isEmpty() {
    return this.terms.length === 0;
  }

  /**
   * Add a conjunct of the page's filter.
   * @param {FilterNode} node  @param {string} text  the page's filter
   * @returns {boolean} whether the probe's filter has the test then
   */
  add(node, text) {
    const term = this.#termOf(node, text);
    if (term === null) return false;
    const printed = print(this.#parsed(term));
    if (this.#tested.has(printed)) return true;
    const terms = [...this.terms, { node, text: term }];
    if (this.#isRefused(this.probe, term) || this.#joined(terms).length > MAX_WHERE) return false;
    this.terms = terms;
    this.#tested.add(printed);
    return true;
  }

  /**
   * Return the probe's filter with what was added.
   * @param {object[]} [without]  of `terms`
   * @returns {?string} null for none
   */
  where(without = []) {
    return this.#joined(this.terms.filter((term) => !without.includes(term))) || null;
  }

  /**
   * Return those of `terms` that the kernel does not test.
   * @param {?string} rest  `where_in_service` after the change
   */
  leftBy(rest) {
    const left = new Set(conjuncts(this.#parsed(rest ?? "")).map(print));
    return this.terms.filter(({ text }) => left.has(print(this.#parsed(text))));
  }

  #joined(terms) {
    const texts = terms.map(({ text }) => text);
    if (!this.before) return texts.join(" and ");
    const tree = this.#parsed(this.before);
    const isWhole = tree === null || isBare(tree, "or");
    return [isWhole && texts.length > 0 ? `(${this.before})` : this.before, ...texts].join(" and ");
  }

  /** Return the tree of a text in the service's language; null if it is empty or not valid here. */
  #parsed(text) {
    try {
      return parse(text, this.#ownNames);
    } catch (error) {
      if (!(error instanceof FilterFault)) throw error;
      return null;
    }
  }

  /** Return a conjunct as text for the probe's filter; null if it cannot have it. */
  #termOf(node, text) {
    if (!mayRunInKernel(node, (name) => this.#columnOf(name))) return null;
    let term = text.slice(node.start, node.end);
    for (const { name, nameEnd } of namesIn(node).reverse()) {
      const column = this.#columnOf(name);
      if (this.#isSame(this.#ownNames.find(name), column)) continue;
      const end = nameEnd - node.start;
      const begin = end - name.length;
      term = term.slice(0, begin) + column.name + term.slice(end);
    }
    if (compileFilter(term, this.#columns, this.#look).faults.length > 0) return null;
    return isBare(node, "or") ? `(${term})` : term;
  }

  /** The column of the probe that a name in the page's filter means. */
  #columnOf(name) {
    return this.#names.find(name).find((column) => this.#columns.columns.includes(column));
  }

  #isSame(found, column) {
    return found.length === 1 && found[0].name === column.name && found[0].type === column.type;
  }
}

/** Return the names of columns in a tree, in the order of the text; a list has its name once. */
function namesIn(node) {
  if (node.type === "term") return [{ name: node.name, nameEnd: node.nameEnd }];
  const found = (node.parts ?? [node.part]).flatMap(namesIn);
  return found.filter(({ nameEnd }, i) => i === 0 || nameEnd !== found[i - 1].nameEnd);
}
