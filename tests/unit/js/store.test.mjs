// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { CHUNK_ROWS, MISSING, NULL, VALUE } from "../../../static/js/data/chunk.js";
import { ColumnList } from "../../../static/js/data/columns.js";
import { EventStore } from "../../../static/js/data/store.js";
import { View } from "../../../static/js/data/view.js";
import { EVERYTHING } from "../../../static/js/filter/compile.js";
import { batchOf, numbers } from "./batches.mjs";
import { compiled } from "./filters.mjs";

const pids = (...values) => batchOf({ pid: ["uint32", values] });
const range = (first, count) => Array.from({ length: count }, (_, i) => first + i);
const rowsOf = (view) => Array.from({ length: view.length }, (_, place) => view.at(place));

test("values come back as they went in, over the edges of chunks", () => {
  const store = new EventStore(100_000);
  const count = 1000;
  for (let first = 0; first < 3 * CHUNK_ROWS; first += count) {
    store.append(
      batchOf({
        time: ["timestamp_ns", range(first, count).map((n) => 2n ** 60n + BigInt(n))],
        pid: ["uint32", range(first, count)],
        comm: ["text", range(first, count).map((n) => (n % 3 ? `name-${n}` : null))],
      }),
    );
  }
  assert.equal(store.received, store.end);
  for (const row of [0, 1, CHUNK_ROWS - 1, CHUNK_ROWS, 2 * CHUNK_ROWS + 5, store.end - 1]) {
    assert.equal(store.valueAt(row, "time:timestamp_ns"), 2n ** 60n + BigInt(row));
    assert.equal(store.valueAt(row, "pid:uint32"), row);
    assert.equal(store.stateAt(row, "comm:text"), row % 3 ? VALUE : NULL);
    if (row % 3) assert.equal(store.valueAt(row, "comm:text"), `name-${row}`);
  }
});

test("a null between equal texts is not taken for a repetition", () => {
  const store = new EventStore();
  store.append(batchOf({ comm: ["text", ["", null, ""]] }));
  assert.deepEqual(
    [0, 1, 2].map((row) => store.stateAt(row, "comm:text")),
    [VALUE, NULL, VALUE],
  );
});

test("numbers may be null", () => {
  const store = new EventStore();
  store.append(batchOf({ ret: ["int64", [0n, null, -2n]] }));
  assert.deepEqual(
    [0, 1, 2].map((row) => store.stateAt(row, "ret:int64")),
    [VALUE, NULL, VALUE],
  );
});

test("probes with other columns share the table; what a probe lacks is missing", () => {
  const store = new EventStore();
  store.append(
    batchOf({ time: ["timestamp_ns", [1n]], pid: ["uint32", [1]], file: ["text", ["a"]] }),
  );
  store.append(
    batchOf(
      {
        time: ["timestamp_ns", [2n]],
        pid: ["uint32", [2]],
        call: ["text", ["rmdir"]],
        file: ["text", ["b"]],
      },
      { probe: "tracepoint" },
    ),
  );
  store.append(batchOf({ pid: ["int32", [-3]] }, { probe: "odd" }));
  const names = store.columns.all.map(({ name }) => name);
  // "call" stands where its schema has it; the other pid, first in its own, comes first.
  assert.deepEqual(names, ["pid", "time", "probe", "mode", "pid", "call", "file"]);
  assert.equal(store.stateAt(0, "call:text"), MISSING);
  assert.equal(store.stateAt(2, "pid:uint32"), MISSING);
  assert.equal(store.valueAt(2, "pid:int32"), -3);
  assert.deepEqual(
    range(0, 3).map((row) => store.valueAt(row, "probe:text")),
    ["fexit", "tracepoint", "odd"],
  );
});

test("columns take titles from the probes, before or after the first batch", () => {
  const columns = new ColumnList();
  const pid = { name: "pid", type: "uint32", title: "PID", unit: null, help: "Process ID" };
  columns.describe([pid]);
  columns.add([
    { name: "pid", type: "uint32" },
    { name: "x", type: "text" },
  ]);
  assert.deepEqual(
    columns.all.map(({ title }) => title),
    ["PID", "Probe", "Mode", "x"],
  );
  const { version } = columns;
  columns.describe([pid]);
  columns.add([{ name: "pid", type: "uint32" }]);
  assert.equal(columns.version, version, "nothing new, nothing to draw again");
  columns.describe([{ name: "x", type: "text", title: "Ex", unit: null, help: "" }]);
  assert.equal(columns.all[3].title, "Ex");
  assert.ok(columns.version > version);
});

test("the newest rows are kept, exactly as many as the capacity, and the rest counted", () => {
  const store = new EventStore(10_000);
  for (let first = 0; first < 35_000; first += 700) store.append(pids(...range(first, 700)));
  assert.equal(store.length, 10_000);
  assert.equal(store.received, 35_000);
  assert.equal(store.evicted, 25_000);
  assert.equal(store.valueAt(store.first, "pid:uint32"), 25_000);
  assert.equal(store.valueAt(store.end - 1, "pid:uint32"), 34_999);
});

test("a view equals the filter run over all held rows, however the rows came", () => {
  const random = numbers(7);
  const next = (below) => random.next().value % below;
  const store = new EventStore(20_000);
  const view = new View(store, compiled("pid<500"));
  const truth = [];
  for (let i = 0; i < 300; i++) {
    const values = Array.from({ length: 1 + next(400) }, () => next(1000));
    truth.push(...values);
    store.append(pids(...values));
    if (next(3) === 0) view.advance();
  }
  view.advance();
  const first = truth.length - 20_000;
  const expected = range(first, 20_000).filter((row) => truth[row] < 500);
  assert.deepEqual(rowsOf(view), expected);
  assert.equal(view.events, expected.length);
  view.refilter(EVERYTHING);
  assert.equal(view.length, 0);
  view.advance();
  assert.deepEqual(rowsOf(view), range(first, 20_000));
});

test("a view may lag behind and stays with the rows up to its end", () => {
  const store = new EventStore(20_000);
  const view = new View(store, EVERYTHING);
  store.append(pids(1, 2, 3));
  view.advance(2);
  assert.deepEqual(rowsOf(view), [0, 1]);
  view.refilter(EVERYTHING);
  view.advance(2);
  assert.deepEqual(rowsOf(view), [0, 1]);
  view.advance();
  assert.deepEqual(rowsOf(view), [0, 1, 2]);
});

test("a filter is applied in as many steps as one likes, and rows may come and go between", () => {
  const store = new EventStore(3 * CHUNK_ROWS);
  const view = new View(store, EVERYTHING);
  store.append(pids(...range(0, 3 * CHUNK_ROWS)));
  view.advance();
  view.refilter(compiled("pid>=100"));
  const progress = [];
  while (!view.advance(store.end, () => true)) {
    progress.push(view.progress());
    if (progress.length === 1) store.append(pids(...range(0, 500)));
  }
  assert.ok(progress.length >= 3, "one chunk at a time");
  assert.deepEqual(
    progress,
    progress.toSorted((a, b) => a - b),
  );
  assert.equal(view.progress(), 1);
  const held = [...range(500, 3 * CHUNK_ROWS - 500), ...range(3 * CHUNK_ROWS + 100, 400)];
  assert.deepEqual(rowsOf(view), held);
  assert.deepEqual(
    [499, 500, held.at(-1), 1e9].map((row) => view.placeOf(row)),
    [null, 0, held.length - 1, null],
  );
});

test("an observer is told of what came and went, and of nothing else", () => {
  const store = new EventStore(10);
  const view = new View(store, EVERYTHING);
  const told = [];
  view.observe({
    reset: () => told.push("reset"),
    append: (from, to) => told.push(`append ${from} ${to}`),
    trim: (count, first) => told.push(`trim ${count} ${first}`),
  });
  store.append(pids(1, 2, 3, 4, 5, 6));
  view.advance();
  view.advance();
  store.append(pids(1, 2, 3, 4, 5, 6));
  view.advance();
  view.refilter(EVERYTHING);
  view.advance();
  assert.deepEqual(told, ["append 0 6", "trim 2 2", "append 4 10", "reset", "append 0 10"]);
});

test("memory is bounded by text too: fewer rows are held when their names are long", () => {
  const store = new EventStore(100_000, 30_000_000);
  const long = "x".repeat(4000);
  for (let first = 0; first < 3 * CHUNK_ROWS; first += 4096) {
    store.append(batchOf({ name: ["text", range(first, 4096).map((n) => `${n} ${long}`)] }));
  }
  assert.equal(store.first, 3 * CHUNK_ROWS, "a chunk of such names alone is more than that");
  store.append(batchOf({ name: ["text", range(0, 2 * CHUNK_ROWS).map((n) => `${n}`)] }));
  assert.equal(store.first, 3 * CHUNK_ROWS);
  assert.equal(store.evicted, 3 * CHUNK_ROWS);
  assert.equal(store.valueAt(store.first, "name:text"), "0");
});

test("gaps pass every filter, grow while nothing comes between, and are no events", () => {
  const store = new EventStore();
  store.append(pids(1));
  store.addGap({ probe: "fexit", where: "kernel", rows: 5 });
  store.addGap({ probe: "fexit", where: "kernel", rows: 7 });
  store.append(pids(2));
  store.addGap({ probe: "fexit", where: "kernel", rows: 1 });
  store.addGap({ probe: "fexit", where: "client", rows: 2 });
  assert.equal(store.events, 2);
  assert.equal(store.received, 2);
  const everything = new View(store, EVERYTHING);
  everything.advance();
  assert.deepEqual(
    rowsOf(everything).map((row) => everything.gapAt(row)?.rows ?? null),
    [null, 12, null, 1, 2],
  );
  assert.equal(everything.events, 2);
  const nothing = new View(store, compiled("pid>9"));
  nothing.advance();
  assert.deepEqual(
    rowsOf(nothing).map((row) => nothing.gapAt(row)),
    [
      { probe: "fexit", where: "kernel", rows: 13 },
      { probe: "fexit", where: "client", rows: 2 },
    ],
  );
  assert.equal(nothing.events, 0);
});

test("a gap of unknown size stays of unknown size", () => {
  const store = new EventStore();
  store.addGap({ probe: "fexit", where: "reconnect", rows: null });
  store.addGap({ probe: "fexit", where: "reconnect", rows: 4 });
  assert.equal(store.gapAt(0).rows, null);
});

test("evicted gaps are no longer counted", () => {
  const store = new EventStore(10);
  const view = new View(store, EVERYTHING);
  for (let i = 0; i < 8; i++) {
    store.append(pids(1, 2));
    store.addGap({ probe: "fexit", where: "pipe", rows: 1 });
    view.advance();
  }
  assert.equal(store.length, 10);
  assert.equal(store.events, 6);
  assert.equal(view.events, 6);
});

test("clear forgets rows and counts, and row numbers go on", () => {
  const store = new EventStore(10_000);
  const view = new View(store, EVERYTHING);
  store.append(pids(...range(0, 9000)));
  view.advance();
  store.clear();
  view.reset();
  assert.deepEqual(
    [store.length, store.events, store.received, store.evicted, view.length],
    [0, 0, 0, 0, 0],
  );
  store.append(pids(...range(0, 9000)));
  view.advance();
  assert.equal(store.length, 9000);
  assert.equal(view.length, 9000);
  assert.equal(store.valueAt(view.at(8999), "pid:uint32"), 8999);
  assert.ok(view.at(0) >= 9000);
});

test("gaps of losses next to each other are one, from the first to the last", () => {
  const store = new EventStore();
  store.addGap({ probe: "fexit", where: "pipe", rows: 5, from: "1", to: "2" });
  store.addGap({ probe: "fexit", where: "pipe", rows: 7, from: "3", to: "4" });
  assert.deepEqual(store.gapAt(0), {
    probe: "fexit",
    where: "pipe",
    rows: 12,
    from: "1",
    to: "4",
  });
});

test("times without programs stay apart: between them there were programs", () => {
  const store = new EventStore();
  const view = new View(store, EVERYTHING);
  for (const from of ["1", "3"]) {
    store.addGap({ probe: "fexit", where: "unwatched", rows: null, from, to: `${from}.5` });
  }
  view.advance();
  assert.deepEqual(
    [0, 1].map((place) => view.gapAt(view.at(place))),
    [
      { probe: "fexit", where: "unwatched", rows: null, from: "1", to: "1.5" },
      { probe: "fexit", where: "unwatched", rows: null, from: "3", to: "3.5" },
    ],
  );
});

for (const later of [0, 3, 9000]) {
  test(`clear is taken back, with ${later} rows that came since`, () => {
    const store = new EventStore();
    const rows = (count) =>
      batchOf({ pid: ["uint32", Array.from({ length: count }, (_, i) => i)] });
    store.append(rows(9000));
    const gap = { probe: "fexit", where: "kernel", rows: 2 };
    store.addGap(gap);
    const restore = store.clear();
    assert.deepEqual([store.length, store.events, store.received], [0, 0, 0]);
    if (later > 0) store.append(rows(later));
    assert.deepEqual([store.length, store.events, store.received], [later, later, later]);
    restore();
    assert.deepEqual([store.events, store.received], [9000 + later, 9000 + later]);
    assert.deepEqual(store.gapAt(9000), gap);
    assert.equal(store.valueAt(0, "pid:uint32"), 0);
    if (later > 0) assert.equal(store.valueAt(9001, "pid:uint32"), 0);
    restore();
    assert.equal(store.received, 9000 + later, "once");
  });
}

test("what was cleared takes no more memory than there is", () => {
  const store = new EventStore(20_000);
  const rows = batchOf({ pid: ["uint32", new Array(10_000).fill(7)] });
  for (let i = 0; i < 2; i++) store.append(rows);
  const restore = store.clear();
  store.append(rows);
  restore();
  assert.deepEqual([store.events, store.received, store.evicted], [20_000, 30_000, 10_000]);
});
