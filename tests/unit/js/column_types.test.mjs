// SPDX-License-Identifier: Apache-2.0

// The types and renderings of columns that probes of any function have: truth values, numbers in
// hexadecimal and numbers with names; and columns of one name that mean different things.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ColumnList } from "../../../static/js/data/columns.js";
import { decodeBatch } from "../../../static/js/data/decode.js";
import { Order } from "../../../static/js/data/sort/order.js";
import { EventStore } from "../../../static/js/data/store.js";
import { View } from "../../../static/js/data/view.js";
import { FORMATS } from "../../../static/js/export/formats.js";
import { writeExport } from "../../../static/js/export/run.js";
import { snapshotOfStore } from "../../../static/js/export/snapshot.js";
import { testOfBox } from "../../../static/js/filter/boxes.js";
import { ColumnNames } from "../../../static/js/filter/column_names.js";
import { compileFilter, EVERYTHING } from "../../../static/js/filter/compile.js";
import { offersOf } from "../../../static/js/filter/offers.js";
import { termOf } from "../../../static/js/filter/terms.js";
import { eventJson } from "../../../static/js/format/json.js";
import { presentation } from "../../../static/js/format/presentation.js";
import { ValueNames } from "../../../static/js/format/value_names.js";
import * as arrow from "../../../static/vendor/flechette.mjs";
import { batchOf } from "./batches.mjs";

const MODES = [
  { value: 0, name: "MODE_READ", aliases: [], meaning: "" },
  { value: 1, name: "MODE_WRITE", aliases: ["MODE_OUT"], meaning: "" },
];
const described = (name, type, more = {}) => ({
  name,
  type,
  title: name,
  help: "",
  unit: null,
  nullable: true,
  names: null,
  render: null,
  ...more,
});
const COLUMNS = [
  described("sync", "bool"),
  described("flags", "uint32", { render: "hex" }),
  described("end", "int64", { render: "hex" }),
  described("mode_of", "int32", { render: "name", names: "enum rw" }),
];

function storeOf({ sync, flags, end, mode_of }, store = new EventStore(), probe = "reads") {
  store.columns.describe(COLUMNS, probe, { "enum rw": MODES });
  store.append(
    batchOf(
      {
        sync: ["bool", sync],
        flags: ["uint32", flags],
        end: ["int64", end],
        mode_of: ["int32", mode_of],
      },
      { probe },
    ),
  );
  return store;
}

const FOUR = {
  sync: [1, 0, null, 1],
  flags: [0x8000, 0, 31, 2 ** 32 - 1],
  end: [-1n, 16n, null, 255n],
  mode_of: [0, 1, 7, null],
};

const namesOf = (store) => new ColumnNames(store.columns.known);

function passing(store, text) {
  const filter = compileFilter(text, namesOf(store), presentation);
  if (filter.faults.length > 0) throw filter.faults[0];
  const view = new View(store, filter);
  view.advance();
  return Array.from({ length: view.length }, (_, place) => view.at(place));
}

const shown = (store, name, row) => {
  const column = store.columns.all.find((it) => it.name === name);
  return presentation(column)
    .parts(store.valueAt(row, column.key))
    .map(({ text }) => text)
    .join("");
};

test("truth values are read bit by bit, with nulls", () => {
  const values = Array.from({ length: 19 }, (_, i) => (i % 5 === 4 ? null : i % 3 === 0));
  const table = arrow.tableFromColumns([["sync", arrow.columnFromArray(values, arrow.bool())]]);
  table.schema.metadata = new Map(
    Object.entries({ probe: "p", mode: "fexit", run: "1", batch: "0" }),
  );
  const store = new EventStore();
  store.append(decodeBatch(arrow.tableToIPC(table, { format: "stream" })));
  for (const [row, value] of values.entries()) {
    assert.equal(store.stateAt(row, "sync:bool"), value === null ? 1 : 2);
    if (value !== null) assert.equal(store.valueAt(row, "sync:bool"), Number(value));
  }
});

test("each rendering is shown", () => {
  const store = storeOf(FOUR);
  const column = (name) => [0, 1].map((row) => shown(store, name, row));
  assert.deepEqual(column("sync"), ["true", "false"]);
  assert.deepEqual(column("flags"), ["0x8000", "0x0"]);
  assert.deepEqual(column("end"), ["0xffffffffffffffff", "0x10"]);
  assert.deepEqual(column("mode_of"), ["MODE_READ", "MODE_WRITE"]);
  assert.equal(shown(store, "mode_of", 2), "7", "a number without a name");
});

const FILTERS = [
  ["sync=true", [0, 3]],
  ["sync=FALSE", [1]],
  ["sync=1", [0, 3]],
  ["sync!=true", [1, 2]],
  ["sync in (true, false)", [0, 1, 3]],
  ["flags=0x8000", [0]],
  ["flags=32768", [0]],
  ["flags>=0x1f", [0, 2, 3]],
  ["flags=0x1..0x8000", [0, 2]],
  ["flags in (0x0, 0X1F)", [1, 2]],
  ["end=-1", [0]],
  ["end=0xffffffffffffffff", [0]],
  ["end=-0x1", [0]],
  ["end>0xf", [1, 3]],
  ["mode_of=0x7", [2]],
  ["mode_of=MODE_READ", [0]],
  ["mode_of=mode_out", [1]],
  ["mode_of!=MODE_WRITE", [0, 2, 3]],
  ["mode_of=7", [2]],
  ["flags=0x10000000000", []],
];

for (const [text, rows] of FILTERS) {
  test(`filter ${text}`, () => assert.deepEqual(passing(storeOf(FOUR), text), rows));
}

const FAULTS = [
  ["sync=maybe", /“maybe” is not true or false/],
  ["sync>true", /does not apply to sync, which is true or false/],
  ["flags=0xg", /“xg” is not expected: this column has no unit|“0xg” is not a number/],
  ["mode_of=-MODE_READ", /is not a number or a known name/],
];

for (const [text, message] of FAULTS) {
  test(`filter ${text} is a fault`, () =>
    assert.throws(() => passing(storeOf(FOUR), text), { message }));
}

test("a value makes the test that finds it", () => {
  const store = storeOf(FOUR);
  const names = namesOf(store);
  for (const column of store.columns.all.filter(({ type }) => type !== "text")) {
    for (const row of [0, 1]) {
      const value = store.valueAt(row, column.key);
      const term = termOf({ operator: "=", value }, column, names, presentation(column));
      assert.ok(passing(store, term).includes(row), term);
    }
  }
  const [sync] = names.find("sync");
  assert.equal(testOfBox(sync, "true"), "=true");
  assert.equal(testOfBox(sync, "!= false"), "!=false");
  const offered = offersOf(store, presentation);
  assert.deepEqual(
    offered(sync).map(({ text }) => text),
    ["true", "false"],
  );
  assert.ok(offered(names.find("mode_of")[0]).some(({ text }) => text === "MODE_OUT"));
});

test("truth values are sorted", () => {
  const store = storeOf({ ...FOUR, sync: [1, 0, 1, 0] });
  const view = new View(store, EVERYTHING);
  view.advance();
  const order = new Order(store, view);
  order.sort(store.columns.all.find(({ name }) => name === "sync"));
  order.work(performance.now(), () => false);
  assert.deepEqual(
    [0, 1, 2, 3].map((place) => order.at(place)),
    [1, 3, 0, 2],
  );
});

const written = async (name) => {
  const format = FORMATS.find((it) => it.name === name);
  return writeExport(snapshotOfStore(storeOf(FOUR)), format);
};

test("exports have truth values and the numbers behind names", async () => {
  const csv = (await (await written("csv")).text()).split("\r\n");
  assert.equal(csv[0], "sync,probe,mode,flags,end,mode_of");
  assert.equal(csv[1], "true,reads,reads,32768,-1,0");
  assert.equal(csv[3], ",reads,reads,31,,7");
  const lines = (await (await written("ndjson")).text()).trim().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).sync),
    [true, false, null, true],
  );
  const table = arrow.tableFromIPC(await (await written("arrow")).bytes());
  assert.deepEqual([...table.getChild("sync")], [true, false, null, true]);
  assert.equal(eventJson([{ name: "sync", type: "bool", value: 0 }]), '{\n  "sync": false\n}');
});

test("probes with other names for the numbers of a column have a column each", () => {
  const columns = new ColumnList();
  const type = described("type", "uint32", { render: "name", names: "enum type", title: "Type" });
  const tables = (name) => ({ "enum type": [{ value: 1, name, aliases: [], meaning: "" }] });
  columns.describe([type], "a", tables("DIRECTORY"));
  columns.describe([type], "b", tables("STREAM"));
  columns.describe([type], "c", tables("DIRECTORY"));
  for (const probe of ["a", "b", "c"]) columns.add([{ name: "type", type: "uint32" }], probe);
  const found = columns.all.filter(({ name }) => name === "type");
  assert.deepEqual(found.map(({ key, title, names }) => [key, title, names.nameOf(1)]).sort(), [
    ["type:uint32", "Type", "DIRECTORY"],
    ["type:uint32:2", "Type (b)", "STREAM"],
  ]);
  assert.equal(columns.keyOf("c", "type", "uint32"), "type:uint32");
});

test("columns of one name and different types are told apart", () => {
  const columns = new ColumnList();
  columns.describe([described("flags", "text", { title: "Flags" })], "fexit");
  columns.describe([described("flags", "uint32", { render: "hex" })], "reads");
  columns.add([{ name: "flags", type: "text" }], "fexit");
  columns.add([{ name: "flags", type: "uint32" }], "reads");
  const titles = new Map(columns.all.map(({ key, title }) => [key, title]));
  assert.equal(titles.get("flags:text"), "Flags");
  assert.equal(titles.get("flags:uint32"), "flags (uint32)");
  const { version } = columns;
  for (let i = 0; i < 3; i++) {
    columns.describe([described("flags", "text", { title: "Flags" })], "fexit");
    columns.describe([described("flags", "uint32", { render: "hex" })], "reads");
  }
  assert.equal(columns.version, version, "the same descriptions again are not news");
});

test("the columns of a forgotten probe stay while there are rows of it", () => {
  const store = storeOf(FOUR);
  store.columns.describe([described("unused", "text")], "other");
  store.columns.add([{ name: "unused", type: "text" }], "other");
  const names = () => store.columns.known.map(({ name }) => name);
  store.columns.forget("other", (key) => store.has(key));
  assert.ok(!names().includes("unused"));
  store.columns.forget("reads", (key) => store.has(key));
  assert.ok(names().includes("sync"));
  assert.equal(shown(store, "mode_of", 0), "MODE_READ");
});

test("names without signs of errors are looked up as they are", () => {
  const names = new ValueNames([{ value: 3, name: "E3" }], "enum e");
  assert.equal(names.valueOf("E3"), 3);
  assert.equal(names.valueOf("E4"), undefined);
  assert.equal(names.valueOf("-E3"), undefined);
});
