// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { Layout, MAX_PX, MIN_PX } from "../../../static/js/ui/table/layout.js";

const column = (name, type, unit = null) => ({ name, type, unit, key: `${name}:${type}` });
const COLUMNS = [
  column("time", "timestamp_ns"),
  column("pid", "uint32"),
  column("comm", "text"),
  column("filename", "text"),
  column("ret", "int64"),
  column("errno", "text"),
];
const all = (layout, columns = COLUMNS, isNarrow = false) =>
  layout.arrange(columns, isNarrow).map((entry) => entry.column.name);
const shown = (layout, columns = COLUMNS, isNarrow = false) =>
  layout
    .arrange(columns, isNarrow)
    .filter((entry) => entry.isShown)
    .map((entry) => entry.column.name);
const width = (layout, name) =>
  layout.arrange(COLUMNS).find((entry) => entry.column.name === name).width;

test("the error's name is not shown twice, and a narrow table begins with what matters", () => {
  const layout = new Layout();
  assert.deepEqual(shown(layout), ["time", "pid", "comm", "filename", "ret"]);
  assert.deepEqual(shown(layout, COLUMNS, true), ["time", "comm", "filename", "ret", "pid"]);
  assert.deepEqual(shown(layout, [COLUMNS[5]]), ["errno"]);
  assert.equal(layout.link(COLUMNS), null);
});

test("columns are hidden, shown and moved", () => {
  const layout = new Layout();
  layout.show("pid", false);
  layout.show("errno", true);
  layout.move("filename", "time", COLUMNS);
  assert.deepEqual(shown(layout), ["filename", "time", "comm", "ret", "errno"]);
  assert.deepEqual(all(layout), ["filename", "time", "pid", "comm", "ret", "errno"]);
  layout.move("time", "ret", COLUMNS);
  assert.deepEqual(all(layout), ["filename", "pid", "comm", "ret", "time", "errno"]);
  assert.deepEqual(
    shown(layout, COLUMNS, true),
    shown(layout),
    "the user's order, in a narrow table too",
  );
  layout.move("no such column", "ret", COLUMNS);
  layout.move("pid", "no such column", COLUMNS);
  assert.equal(layout.link(COLUMNS), "filename,comm,ret,time,errno");
  layout.reset();
  assert.deepEqual(shown(layout), shown(new Layout()));
});

test("a column that a new probe brings appears where its schema has it", () => {
  const layout = new Layout();
  layout.move("ret", "time", COLUMNS);
  layout.show("pid", false);
  const more = COLUMNS.toSpliced(3, 0, column("syscall", "text")).toSpliced(
    0,
    0,
    column("cpu", "uint32"),
  );
  assert.deepEqual(shown(layout, more), ["cpu", "ret", "time", "comm", "syscall", "filename"]);
});

test("two columns of one name stay together", () => {
  const layout = new Layout();
  const columns = [...COLUMNS, column("pid", "text")];
  layout.move("pid", "filename", columns);
  assert.deepEqual(all(layout, columns), [
    "time",
    "comm",
    "filename",
    "pid",
    "pid",
    "ret",
    "errno",
  ]);
});

test("widths are clamped, and a resized column no longer grows automatically", () => {
  const layout = new Layout();
  layout.resize("filename", 333.4);
  layout.resize("pid", -5);
  layout.resize("comm", 1e9);
  assert.deepEqual(
    ["filename", "pid", "comm"].map((name) => width(layout, name)),
    [333, MIN_PX, MAX_PX],
  );
  assert.equal(
    layout.arrange(COLUMNS).find((entry) => entry.column.name === "filename").grows,
    false,
  );
  assert.equal(layout.link(COLUMNS), null, "widths are this browser's own matter");
});

test("what was saved is restored", () => {
  const layout = new Layout();
  layout.show("comm", false);
  layout.move("ret", "time", COLUMNS);
  layout.resize("pid", 200);
  const again = new Layout();
  assert.equal(again.restore(layout.save(COLUMNS), layout.link(COLUMNS)), true);
  assert.deepEqual(all(again), all(layout));
  assert.deepEqual(shown(again), shown(layout));
  assert.equal(width(again, "pid"), 200);
  const more = [...COLUMNS, column("cpu", "uint32")];
  assert.ok(
    shown(again, more).includes("cpu"),
    "a new column appears: the link is this browser's own",
  );
});

test("a link shows only its columns, including later ones, and keeps the user's widths", () => {
  const saved = new Layout();
  saved.resize("comm", 300);
  saved.show("filename", false);
  const layout = new Layout();
  assert.equal(layout.restore(saved.save(COLUMNS), "filename,comm,later"), false);
  assert.deepEqual(shown(layout), ["filename", "comm"]);
  assert.equal(width(layout, "comm"), 300);
  assert.equal(layout.link(COLUMNS), "filename,comm,later");
  const more = [...COLUMNS, column("later", "text"), column("other", "text")];
  assert.deepEqual(shown(layout, more), ["filename", "comm", "later"]);
  layout.show("pid", true);
  assert.ok(shown(layout).includes("pid"));
});

const RUBBISH = [
  "",
  "{",
  "null",
  "7",
  '"x"',
  "[]",
  '{"order": 7, "widths": {"a": 1}, "chosen": [["x", 1], 7]}',
  '{"order": [1], "only": "x", "widths": [["pid", "wide"], ["comm", null]]}',
  null,
];

for (const saved of RUBBISH) {
  test(`rubbish is not restored: ${saved}`, () => {
    const layout = new Layout();
    layout.restore(saved, null);
    assert.deepEqual(layout.arrange(COLUMNS), new Layout().arrange(COLUMNS));
    layout.restore(saved, ",,,");
    assert.deepEqual(shown(layout), shown(new Layout()));
  });
}

test("the least important columns are folded for lack of room, except those that the user chose", () => {
  const columns = ["time", "probe", "pid", "tid", "comm", "dfd", "filename", "ret"].map((name) =>
    column(name, ["probe", "comm", "filename"].includes(name) ? "text" : "uint32"),
  );
  const inSight = (layout, roomPx) =>
    layout
      .arrange(columns, false, roomPx)
      .filter(({ isShown, isFolded }) => isShown && !isFolded)
      .map((entry) => entry.column.name);
  const layout = new Layout();
  assert.equal(inSight(layout, 5000).length, columns.length);
  assert.ok(!inSight(layout, 950).includes("dfd") && inSight(layout, 950).includes("ret"));
  assert.deepEqual(inSight(layout, 100), ["time", "comm", "filename", "ret"]);
  layout.show("dfd", true);
  assert.ok(inSight(layout, 100).includes("dfd"));
  assert.equal(layout.link(columns).split(",").length, columns.length, "a link names all");
});
