// SPDX-License-Identifier: Apache-2.0

// The page's filter: the text in the bar, the last valid text, which is active, and the changes
// that other parts of the page request.

import { boxOfTerm, testOfBox } from "./boxes.js";
import { ColumnNames } from "./column_names.js";
import { compileFilter, EVERYTHING } from "./compile.js";
import { conjuncts, withoutTerms, withTerm, withTermReplaced } from "./edits.js";
import { FilterError } from "./fault.js";
import { print } from "./print.js";
import { termOf } from "./terms.js";
import { tokenize } from "./tokens.js";

export class FilterState {
  #look;
  #boxes = new Map(); // column key -> the text last typed there
  #listeners = [];

  /** @param {(column: any) => Look} look  as `presentation` */
  constructor(look) {
    this.#look = look;
    this.names = new ColumnNames([]);
    /** The text in the bar, compiled. */
    this.typed = EVERYTHING;
    /** The active filter, compiled. */
    this.valid = EVERYTHING;
    /** Column key -> the error of its box. */
    this.boxFaults = new Map();
  }

  /** @param {(isFilterNew: boolean) => void} listener  called even if only the text changed */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /** Update the known columns and names of values, which may resolve faults. */
  know(columns) {
    this.names = new ColumnNames(columns);
    this.#take(this.typed.text, true);
  }

  /** Set the bar's text. */
  type(text) {
    this.#boxes.clear();
    this.boxFaults.clear();
    this.#take(text);
  }

  /** The faults of the text; none until columns are known, since every name would be unknown. */
  get faults() {
    return this.names.columns.length > 0 ? this.typed.faults : [];
  }

  /**
   * Add a test. It replaces a test of the same column that it contradicts; a test that exists already
   * is not added again.
   * @param {{name: string, operator: string, value: string|number|bigint}} test
   */
  narrow({ name, operator, value }) {
    const column = this.#columnFor(name, value);
    const term = termOf({ operator, value }, column, this.names, this.#look(column));
    const added = compileFilter(term, this.names, this.#look).tree;
    const same = this.#termsOf(column);
    if (same.some((node) => this.#isSame(node, added))) return this.type(this.valid.text);
    const contradicted = same.find((node) => contradicts(node, added));
    this.type(
      contradicted ? withTermReplaced(this.valid, contradicted, term) : withTerm(this.valid, term),
    );
  }

  /** Add a filter by `and`. */
  add(text) {
    const { tree } = compileFilter(text, this.names, this.#look);
    const isAlternative = this.valid.tree !== null && tree?.type === "or";
    this.type(withTerm(this.valid, isAlternative ? `(${text})` : text));
  }

  /** Remove conjuncts from the active filter. */
  remove(nodes) {
    this.type(withoutTerms(this.valid, nodes));
  }

  /** The conjuncts of the active filter. */
  get conjuncts() {
    return conjuncts(this.valid.tree);
  }

  /** The text of a column's box was changed: change its test in the bar. */
  typeBox(column, text) {
    this.#boxes.set(column.key, text);
    this.boxFaults.delete(column.key);
    const test = this.#boxTest(column, text);
    if (test === undefined) return this.#tell(false);
    const [own] = this.#termsOf(column);
    if (!test) this.#take(own ? withoutTerms(this.valid, [own]) : this.valid.text);
    else if (own) this.#take(withTermReplaced(this.valid, own, test));
    else this.#take(withTerm(this.valid, test));
  }

  /** Return the text of a column's box. */
  boxText(column) {
    const [own] = this.#termsOf(column);
    const typed = this.#boxes.get(column.key);
    if (
      typed !== undefined &&
      (this.boxFaults.has(column.key) || this.#stillMeans(column, typed, own))
    )
      return typed;
    return own ? boxOfTerm(column, own) : "";
  }

  /** @returns {?string} the term; "" for an empty box, undefined for a fault */
  #boxTest(column, text) {
    try {
      const test = testOfBox(column, text);
      if (test === null) return "";
      const term = `${this.names.shortName(column)}${test}`;
      const { faults } = compileFilter(term, this.names, this.#look);
      if (faults.length > 0) throw faults[0];
      return term;
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      this.boxFaults.set(column.key, error.message);
      return undefined;
    }
  }

  #stillMeans(column, typed, own) {
    const test = this.#boxTest(column, typed);
    if (!test || !own) return !test && !own;
    return this.#isSame(compileFilter(test, this.names, this.#look).tree, own);
  }

  #isSame(a, b) {
    const [first] = this.names.find(a.name);
    return (
      first === this.names.find(b.name)[0] &&
      a.operator === b.operator &&
      a.value === b.value &&
      a.isGlob === b.isGlob
    );
  }

  /** The terms on a column among the conjuncts. */
  #termsOf(column) {
    return this.conjuncts.filter(
      (node) =>
        node.type === "term" && this.names.find(node.name).some(({ key }) => key === column.key),
    );
  }

  #columnFor(name, value) {
    const columns = this.names.find(name);
    if (columns.length === 0) throw new Error(`no column ${name} to filter by`);
    const isText = typeof value === "string";
    return columns.find(({ type }) => (type === "text") === isText) ?? columns[0];
  }

  #take(text, isFresh = false) {
    const before = this.valid;
    this.typed = compileFilter(text, this.names, this.#look);
    if (this.typed.faults.length === 0) this.valid = this.typed;
    else this.#dropBegunName();
    // A change of spelling only, such as another space, must not retest a million rows.
    const isNew = isFresh
      ? before.active || this.valid.active
      : print(before.tree) !== print(this.valid.tree);
    this.#tell(isNew);
  }

  /** Typing `pid>`: `pid` was an active word until it became the name of a column. */
  #dropBegunName() {
    const last = this.conjuncts.at(-1);
    const isWord =
      last?.type === "word" && this.typed.text.startsWith(this.valid.text.slice(0, last.end));
    if (!isWord) return;
    const name = tokenize(this.typed.text, this.names).find(
      ({ type, start }) => type === "name" && start === last.start,
    );
    if (name) this.valid = compileFilter(withoutTerms(this.valid, [last]), this.names, this.#look);
  }

  #tell(isFilterNew) {
    for (const listener of this.#listeners) listener(isFilterNew);
  }
}

/** Whether two tests together would match nothing: comm=rm and comm=git, or comm!=rm. */
function contradicts(node, added) {
  if (node.operator === "=" && added.operator === "=") return true;
  const isOpposite =
    node.operator === `!${added.operator}` || added.operator === `!${node.operator}`;
  return isOpposite && node.value === added.value;
}
