// SPDX-License-Identifier: Apache-2.0

// The page's evaluation of tests/vectors/filters.json, the one file of filter cases.

import assert from "node:assert/strict";
import { test } from "node:test";

import { columnKey } from "../../../static/js/data/columns.js";
import { EventStore } from "../../../static/js/data/store.js";
import { View } from "../../../static/js/data/view.js";
import { ColumnNames } from "../../../static/js/filter/column_names.js";
import { compileFilter } from "../../../static/js/filter/compile.js";
import { fixed } from "../../../static/js/filter/fault.js";
import { hintsOf } from "../../../static/js/filter/hints.js";
import { parse } from "../../../static/js/filter/parse.js";
import { print } from "../../../static/js/filter/print.js";
import { presentation } from "../../../static/js/format/presentation.js";
import { NO_NAMES } from "../../../static/js/format/value_names.js";
import { batchOf } from "./batches.mjs";
import { CASES, ERRORS } from "./filters.mjs";

const COLUMNS = CASES.columns.map((column) => ({
  ...column,
  key: columnKey(column.name, column.type),
  help: "",
  names: column.names === "errors" ? ERRORS : NO_NAMES,
}));
const NAMES = new ColumnNames(COLUMNS);

function look(column) {
  const shown = presentation(column);
  return column.name === "uid" ? { ...shown, numberOf: (name) => CASES.users[name] } : shown;
}

const NS_PER_S = 1_000_000_000n;

function nanoseconds(time) {
  const [, seconds, fraction] = /^(.{19})\.(\d{9})Z$/.exec(time);
  return (BigInt(Date.parse(`${seconds}Z`)) / 1000n) * NS_PER_S + BigInt(fraction);
}

function cellOf({ type }, value) {
  if (value === null || type === "text") return value;
  if (type === "timestamp_ns") return nanoseconds(value);
  return type.endsWith("64") ? BigInt(value) : value;
}

/** Each row in a batch of its own, so that it has the columns that its probe has. */
function storeOfRows() {
  const store = new EventStore();
  for (const row of CASES.rows) {
    const columns = COLUMNS.filter(({ name }) => name in row && name !== "probe");
    const values = columns.map((column) => [
      column.name,
      [column.type, [cellOf(column, row[column.name])]],
    ]);
    store.append(batchOf(Object.fromEntries(values), { probe: row.probe }));
  }
  return store;
}

const store = storeOfRows();
const compiled = (text) => compileFilter(text, NAMES, look);

function passing(filter) {
  const view = new View(store, filter);
  view.advance();
  return Array.from({ length: view.length }, (_, place) => view.at(place));
}

for (const { filter, rows } of CASES.passes) {
  test(`${filter} lets rows ${rows} through`, () => {
    const made = compiled(filter);
    assert.deepEqual(made.faults, []);
    assert.deepEqual(passing(made), rows);
    const printed = print(parse(filter, NAMES));
    assert.deepEqual(passing(compiled(printed)), rows, `printed as ${printed}`);
  });
}

for (const { filter, message, part, fixes } of CASES.faults) {
  test(`${filter} is refused: ${message}`, () => {
    const { faults, active } = compiled(filter);
    assert.equal(faults.length, 1);
    assert.equal(active, false);
    const [fault] = faults;
    assert.ok(fault.message.includes(message), fault.message);
    assert.equal(filter.slice(fault.start, fault.end), part);
    assert.deepEqual(
      fault.fixes.map((fix) => fixed(filter, fix)),
      fixes,
    );
  });
}

for (const { filter, message, fixes } of CASES.hints) {
  test(`${filter} is ${message ? `explained: ${message}` : "not explained"}`, () => {
    const made = compiled(filter);
    assert.deepEqual(made.faults, []);
    const hints = hintsOf(made, NAMES, look, passing(made).length === 0);
    if (message === undefined) return assert.deepEqual(hints, []);
    const hint = hints.find((it) => it.message.includes(message));
    assert.ok(hint, JSON.stringify(hints));
    assert.deepEqual(hint.fixes, fixes);
  });
}

test("what is offered in place of a fault or beside a filter is a filter", () => {
  for (const { filter, fixes } of [...CASES.faults, ...CASES.hints]) {
    for (const fix of fixes) {
      // Another value of a column that takes only numbers is no better than the one before.
      if (/^pid="/.test(fix)) continue;
      assert.deepEqual(compiled(fix).faults, [], `${filter} -> ${fix}`);
    }
  }
});

test("whatever lets nothing through is explained", () => {
  for (const { filter, rows } of CASES.passes) {
    if (rows.length > 0) continue;
    const hints = hintsOf(compiled(filter), NAMES, look, true);
    assert.ok(hints.length > 0, filter);
  }
});
