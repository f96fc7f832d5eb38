// SPDX-License-Identifier: Apache-2.0

// Compiles a filter's text into a test of rows, which runs over the columns of a chunk.

import { inColumnType } from "../data/columns.js";
import { FilterError, FilterFault, quoted, withGoodFixes } from "./fault.js";
import { globMatcher, partMatcher } from "./glob.js";
import { parseIntervals } from "./interval.js";
import { boolLiteral, numberLiteral, timeLiteral } from "./literals.js";
import { kindOf, operatorOf } from "./operators.js";
import { parse } from "./parse.js";
import { all, any, anyTextTest, not, numberTest, textTest } from "./row_tests.js";

/** @import { ColumnNames } from "./column_names.js" */

/**
 * Matches everything.
 * @type {Readonly<CompiledFilter>}
 */
export const EVERYTHING = Object.freeze({
  text: "",
  tree: null,
  faults: Object.freeze([]),
  active: false,
  select: () => null,
});

/**
 * @param {string} text
 * @param {ColumnNames} names  of the columns there are
 * @param {(column: any) => Look} look  as `presentation`
 * @returns {CompiledFilter} `select(chunk, start, stop)` returns 1 for each row that matches, or null
 *   for all; a filter with `faults` matches everything
 */
export function compileFilter(text, names, look) {
  const made = compiled(text, names, look);
  if (made.faults.length === 0) return made;
  const faultsOf = (other) => compiled(other, names, look).faults;
  return { ...made, faults: made.faults.map((fault) => withGoodFixes(fault, text, faultsOf)) };
}

function compiled(text, names, look) {
  const faults = [];
  try {
    const tree = parse(text, names);
    if (tree === null) return { ...EVERYTHING, text };
    const test = testOf(tree, { names, look, faults });
    if (faults.length > 0) return { ...EVERYTHING, text, tree, faults };
    const select = (chunk, start, stop) => {
      const rows = new Uint8Array(stop - start).fill(1);
      test(chunk, start, rows);
      return rows;
    };
    return { text, tree, faults, active: true, select };
  } catch (error) {
    if (!(error instanceof FilterFault)) throw error;
    return { ...EVERYTHING, text, faults: [error] };
  }
}

function testOf(node, context) {
  if (node.type === "and") return all(node.parts.map((part) => testOf(part, context)));
  if (node.type === "or") return any(node.parts.map((part) => testOf(part, context)));
  if (node.type === "not") return not(testOf(node.part, context));
  if (node.type === "word") return wordTest(node, context);
  return termTest(node, context);
}

/** Test for a word in any text, in an alias of a value's name, or in the name of a number. */
function wordTest({ text }, { names }) {
  const matches = partMatcher(text);
  const tables = new Map(names.columns.map((column) => [column.key, column.names]));
  const numbers = names.columns
    .filter(({ type, render }) => type !== "text" && render === "name")
    .map(({ key, type, names: table }) => [
      key,
      new Set(table.valuesOf(matches).map((value) => inColumnType(type, value))),
    ]);
  return anyTextTest((key) => byAnyName(tables.get(key), matches), new Map(numbers));
}

function byAnyName(table, matches) {
  return table ? (text) => table.isAny(text, matches) : matches;
}

/** Test a term. A name can refer to columns of several types: those that accept the value count. */
function termTest(node, { names, look, faults }) {
  const columns = names.find(node.name);
  const tests = [];
  const errors = [];
  for (const column of columns) {
    try {
      tests.push(columnTest(column, node, look(column).numberOf));
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      errors.push(error);
    }
  }
  if (tests.length === 0)
    faults.push(errors.length > 0 ? faultOfValue(node, errors[0]) : unknownColumn(node, names));
  const { negates } = operatorOf(node.operator);
  return negates ? not(any(tests)) : any(tests);
}

function columnTest(column, node, numberOf) {
  const { negates, kinds } = operatorOf(node.operator);
  const operator = negates ?? node.operator;
  const kind = kindOf(column);
  if (!kinds.includes(kind)) throw wrongOperator(column, kind, node);
  if (kind !== "text") {
    const intervals = intervalsOf(column, { ...node, operator }, numberOf);
    return any(intervals.map((interval) => numberTest(column, interval)));
  }
  if (operator === "~" || node.isGlob) {
    // A name is a name in any case, with = too.
    const ignoresCase = operator === "~" || column.names?.all.length > 0;
    return textTest(column.key, byAnyName(column.names, globMatcher(node.value, ignoresCase)));
  }
  // Any alias of an error, ignoring case: the row has one of its names.
  const value = column.names?.firstOf(node.value) ?? node.value;
  return textTest(column.key, (text) => text === value);
}

/**
 * Return the numbers or times that match a term, as `parseIntervals` does.
 * @throws {FilterError}
 */
export function intervalsOf(column, { operator, value }, numberOf) {
  return parseIntervals(operator, value, literalsOf(column, numberOf));
}

function literalsOf(column, numberOf) {
  const kind = kindOf(column);
  if (kind === "bool") return boolLiteral;
  return kind === "time" ? timeLiteral() : numberLiteral(column.unit, numberOf, column.type);
}

function wrongOperator(column, kind, { operator, value, name, start, end }) {
  const fixes =
    kind === "text" ? [] : [{ start, end, insert: `${name}=${value.replaceAll("*", "")}` }];
  const messages = {
    text: `${operator} compares numbers, but ${column.title} is text: use = or ~`,
    bool: `${operator} does not apply to ${column.title}, which is true or false: use =`,
  };
  const message =
    messages[kind] ?? `${operator} is for text, but ${column.title} is a ${kind}: use =, < or >`;
  return new FilterFault(message, start, end, fixes);
}

function faultOfValue(node, error) {
  if (error instanceof FilterFault) return error;
  const { nameEnd, operator, valueStart, end } = node;
  // A list is of values that equal: after > it would mean something else.
  const forms = error.forms.filter(({ isList }) => operator === "=" || !isList);
  const fixes = forms.map(({ text }) => ({ start: nameEnd, end, insert: text }));
  return new FilterFault(error.message, valueStart, end, fixes);
}

function unknownColumn({ name, start, nameEnd }, names) {
  const nearest = names.nearest(name);
  const fixes = nearest ? [{ start, end: nameEnd, insert: nearest }] : [];
  const hint = nearest ? `did you mean ${nearest}?` : "quote it to search for the text";
  return new FilterFault(`no column ${quoted(name)}; ${hint}`, start, nameEnd, fixes);
}
