// SPDX-License-Identifier: Apache-2.0

// The page's evaluation of tests/vectors/filter_cases.json, the one file of filter cases.

import assert from "node:assert/strict";
import { test } from "node:test";

import { columnKey } from "../../../static/js/data/columns.js";
import { EventStore } from "../../../static/js/data/store.js";
import { View } from "../../../static/js/data/view.js";
import { ColumnNames } from "../../../static/js/filter/column_names.js";
import { compileFilter } from "../../../static/js/filter/compile.js";
import { conjuncts } from "../../../static/js/filter/edits.js";
import { fixed } from "../../../static/js/filter/fault.js";
import { hintsOf } from "../../../static/js/filter/hints.js";
import { mayRunInKernel } from "../../../static/js/filter/kernel_where.js";
import { parse } from "../../../static/js/filter/parse.js";
import { print } from "../../../static/js/filter/print.js";
import { presentation } from "../../../static/js/format/presentation.js";
import { NO_NAMES, ValueNames } from "../../../static/js/format/value_names.js";
import { batchOf } from "./batches.mjs";
import { CASES, ERRORS } from "./filters.mjs";

const NS_PER_S = 1_000_000_000n;

function nanoseconds(time) {
  const [, seconds, fraction] = /^(.{19})\.(\d{9})Z$/.exec(time);
  return (BigInt(Date.parse(`${seconds}Z`)) / 1000n) * NS_PER_S + BigInt(fraction);
}

function cellOf({ type }, value) {
  if (value === null || type === "text") return value;
  if (type === "timestamp_ns") return nanoseconds(value);
  if (type === "bool") return Number(value);
  return type.endsWith("64") ? BigInt(value) : value;
}

/** Columns and rows of the file, and filters of them. */
class Table {
  constructor({ columns, names = {}, users, rows }) {
    const tables = { errors: ERRORS };
    for (const [name, entries] of Object.entries(names))
      tables[name] = new ValueNames(entries, name);
    this.columns = columns.map((column) => ({
      ...column,
      key: columnKey(column.name, column.type),
      help: "",
      names: tables[column.names] ?? NO_NAMES,
    }));
    this.names = new ColumnNames(this.columns);
    this.users = users;
    this.store = this.storeOf(rows);
  }

  /** Each row in a batch of its own, so that it has the columns that its probe has. */
  storeOf(rows) {
    const store = new EventStore();
    for (const row of rows) {
      const columns = this.columns.filter(({ name }) => name in row && name !== "probe");
      const values = columns.map((column) => [
        column.name,
        [column.type, [cellOf(column, row[column.name])]],
      ]);
      store.append(batchOf(Object.fromEntries(values), { probe: row.probe }));
    }
    return store;
  }

  look = (column) => {
    const shown = presentation(column);
    return column.name === "uid" ? { ...shown, numberOf: (name) => this.users[name] } : shown;
  };

  compiled(text) {
    return compileFilter(text, this.names, this.look);
  }

  passing(filter) {
    const view = new View(this.store, filter);
    view.advance();
    return Array.from({ length: view.length }, (_, place) => view.at(place));
  }
}

const DELETIONS = new Table(CASES);
const TYPED = new Table(CASES.typed);
const compiled = (text) => DELETIONS.compiled(text);
const passing = (filter) => DELETIONS.passing(filter);
const both = (kind) => [
  ...CASES[kind].map((each) => ({ ...each, table: DELETIONS })),
  ...CASES.typed[kind].map((each) => ({ ...each, table: TYPED })),
];

for (const { filter, rows, table } of both("passes")) {
  test(`${filter} lets rows ${rows} through`, () => {
    const made = table.compiled(filter);
    assert.deepEqual(made.faults, []);
    assert.deepEqual(table.passing(made), rows);
    const printed = print(parse(filter, table.names));
    assert.deepEqual(table.passing(table.compiled(printed)), rows, `printed as ${printed}`);
  });
}

for (const { filter, message, part, fixes, table } of both("faults")) {
  test(`${filter} is refused: ${message}`, () => {
    const { faults, active } = table.compiled(filter);
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
    const hints = hintsOf(made, DELETIONS.names, DELETIONS.look, passing(made).length === 0);
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
    const hints = hintsOf(compiled(filter), DELETIONS.names, DELETIONS.look, true);
    assert.ok(hints.length > 0, filter);
  }
});

// What only the service knows: the room that there is, and the numbers of matching names.
const NO_ROOM = [
  "errno~EA*",
  "errno~?????",
  "pid=100 or pid=101 or pid=102 or pid=103 or pid=104 or pid=1 or pid=2 or tid=5 or uid=0",
  "pid in (100,102,104,106,108,110,112,114,116,118,120,122,124,126,128,130,132)",
  "pid not in (100,102,104,106,108,110,112,114,116,118,120,122,124,126,128,130,132)",
  "(flag=true or pid=1) (neg<0 or pid=2) (ret=0 or pid=3) (uid=0 or pid=4) latency=0",
];

test("what the page offers to move into the kernel is what the kernel tests", () => {
  const others = [];
  for (const { filter, rest = null, table } of both("passes")) {
    const stay = conjuncts(parse(filter, table.names))
      .filter((node) => !mayRunInKernel(node, (name) => table.names.find(name)[0]))
      .map(({ start, end }) => filter.slice(start, end));
    if ((stay.join(" and ") || null) !== rest) others.push(filter);
  }
  assert.deepEqual(others, NO_ROOM);
});
