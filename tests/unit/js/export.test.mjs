// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { CHUNK_ROWS } from "../../../static/js/data/chunk.js";
import { EventStore } from "../../../static/js/data/store.js";
import { View } from "../../../static/js/data/view.js";
import { defused } from "../../../static/js/export/csv.js";
import { fileName } from "../../../static/js/export/file_names.js";
import { FORMATS } from "../../../static/js/export/formats.js";
import { writeExport } from "../../../static/js/export/run.js";
import { snapshotOfStore, snapshotOfView } from "../../../static/js/export/snapshot.js";
import { i32, list, struct, text, varint } from "../../../static/js/export/thrift.js";
import { ColumnNames } from "../../../static/js/filter/column_names.js";
import { compileFilter, EVERYTHING } from "../../../static/js/filter/compile.js";
import { utcTime, utcTimeWriter } from "../../../static/js/format/time.js";
import { tableFromIPC } from "../../../static/vendor/flechette.mjs";
import { batchOf } from "./batches.mjs";

const LARGEST = 2n ** 63n - 1n;
const NOON = 1_795_348_800_123_456_789n; // 2026-11-22T12:00:00.123456789Z

function mixedStore() {
  const store = new EventStore();
  store.append(
    batchOf({
      time: ["timestamp_ns", [NOON, NOON + 1n]],
      pid: ["uint32", [4294967295, 7]],
      comm: ["text", ['say "hi"', "sh"]],
      filename: ["text", ["=1+1", null]],
      ret: ["int64", [-LARGEST, -2n]],
      latency_ns: ["uint64", [2n ** 64n - 1n, 0n]],
    }),
  );
  store.addGap({ probe: "fexit", where: "kernel", rows: 12 });
  store.append(
    batchOf(
      {
        time: ["timestamp_ns", [NOON + 2n]],
        pid: ["uint32", [8]],
        comm: ["text", ["é\u001b\u{1f600}\u007f"]],
        filename: ["text", ["a\nb"]],
      },
      { probe: "fentry" },
    ),
  );
  return store;
}

const formatOf = (name) => FORMATS.find((format) => format.name === name);
const written = (snapshot, name, options) => writeExport(snapshot, formatOf(name), options);

test("CSV has every column and digit, quotes where needed, and nothing for null", async () => {
  const blob = await written(snapshotOfStore(mixedStore()), "csv");
  assert.deepEqual((await blob.text()).split("\r\n"), [
    "time,probe,mode,pid,comm,filename,ret,latency_ns",
    '2026-11-22T12:00:00.123456789Z,fexit,fexit,4294967295,"say ""hi""",' +
      "'=1+1,-9223372036854775807,18446744073709551615",
    "2026-11-22T12:00:00.123456790Z,fexit,fexit,7,sh,,-2,0",
    '2026-11-22T12:00:00.123456791Z,fentry,fentry,8,é\u001b\u{1f600}\u007f,"a\nb",,',
    "",
  ]);
});

test("no text of a CSV begins a formula, whatever the spreadsheet takes for a separator", () => {
  for (const start of ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", " =", "\t="]) {
    assert.equal(defused(`${start}cmd`)[0], "'", JSON.stringify(start));
  }
  assert.equal(defused("a;=1"), "a;'=1");
  assert.equal(defused('a";\n@b'), "a\";\n'@b");
  assert.equal(defused("\t=1"), "'\t'=1");
  for (const plain of ["", "/tmp/a-b", "a=b", "a@b", "it's", "1+1", "RCS/a,v"]) {
    assert.equal(defused(plain), plain);
  }
});

test("times are written as the page shows them, also before 1970 and out of order", () => {
  const write = utcTimeWriter();
  for (const ns of [NOON, NOON + 1n, NOON - 10n ** 9n, 0n, -1n, -(10n ** 9n), NOON]) {
    assert.equal(write(ns), utcTime(ns));
  }
});

test("an empty text is not the same as no value", async () => {
  const store = new EventStore();
  store.append(batchOf({ comm: ["text", ["", null]], uid: ["uint32", [0, null]] }));
  const csv = await (await written(snapshotOfStore(store), "csv")).text();
  assert.deepEqual(csv.split("\r\n").slice(1, 3), ['"",fexit,fexit,0', ",fexit,fexit,"]);
});

test("NDJSON has the service's own bytes: members in order, ASCII, gaps at their places", async () => {
  const blob = await written(snapshotOfStore(mixedStore()), "ndjson");
  assert.deepEqual((await blob.text()).split("\n"), [
    '{"time":"2026-11-22T12:00:00.123456789Z","probe":"fexit","mode":"fexit","pid":4294967295,' +
      '"comm":"say \\"hi\\"","filename":"=1+1","ret":-9223372036854775807,"latency_ns":18446744073709551615}',
    '{"time":"2026-11-22T12:00:00.123456790Z","probe":"fexit","mode":"fexit","pid":7,' +
      '"comm":"sh","filename":null,"ret":-2,"latency_ns":0}',
    '{"type":"gap","probe":"fexit","where":"kernel","rows":12}',
    '{"time":"2026-11-22T12:00:00.123456791Z","probe":"fentry","mode":"fentry","pid":8,' +
      '"comm":"\\u00e9\\u001b\\ud83d\\ude00\\u007f","filename":"a\\nb"}',
    "",
  ]);
});

test("a gap at the end is written, and one of unknown size", async () => {
  const store = new EventStore();
  store.append(batchOf({ pid: ["uint32", [1]] }));
  store.addGap({ probe: "fexit", where: "reconnect", rows: null });
  const lines = (await (await written(snapshotOfStore(store), "ndjson")).text()).split("\n");
  assert.equal(lines[1], '{"type":"gap","probe":"fexit","where":"reconnect","rows":null}');
});

test("a gap that the service told keeps its times", async () => {
  const store = new EventStore();
  const [from, to] = ["2026-11-22T12:00:00.000001Z", "2026-11-22T12:00:01.000001Z"];
  store.addGap({ type: "gap", probe: "fexit", where: "pipe", rows: 3, from, to });
  store.addGap({ type: "gap", probe: "fexit", where: "unwatched", rows: null, from, to });
  store.addGap({ type: "gap", probe: "fexit", where: "unwatched", rows: null, from, to: null });
  const lines = (await (await written(snapshotOfStore(store), "ndjson")).text()).split("\n");
  assert.deepEqual(lines, [
    `{"type":"gap","probe":"fexit","where":"pipe","rows":3,"from":"${from}","to":"${to}"}`,
    `{"type":"gap","probe":"fexit","where":"unwatched","rows":null,"from":"${from}","to":"${to}"}`,
    `{"type":"gap","probe":"fexit","where":"unwatched","rows":null,"from":"${from}","to":null}`,
    "",
  ]);
});

function longStore(count) {
  const store = new EventStore();
  const range = Array.from({ length: count }, (_, n) => n);
  store.append(
    batchOf({
      time: ["timestamp_ns", range.map((n) => NOON + BigInt(n))],
      pid: ["uint32", range],
      comm: ["text", range.map((n) => (n % 5 ? `name ${n % 100}` : null))],
    }),
  );
  return store;
}

test("Arrow comes back as it went in, in several record batches", async () => {
  const count = 3 * CHUNK_ROWS;
  const blob = await written(snapshotOfStore(longStore(count)), "arrow");
  const table = tableFromIPC(await blob.arrayBuffer(), { useBigInt: true });
  assert.equal(table.numRows, count);
  assert.ok(table.children[0].data.length > 1);
  assert.deepEqual(table.names, ["time", "probe", "mode", "pid", "comm"]);
  for (const row of [0, 4999, 16_383, 16_384, count - 1]) {
    assert.equal(table.getChild("pid").at(row), row);
    assert.equal(table.getChild("comm").at(row), row % 5 ? `name ${row % 100}` : null);
  }
});

test("what the filter shows is exported, and only that", async () => {
  const store = mixedStore();
  const names = new ColumnNames(store.columns.all);
  const view = new View(
    store,
    compileFilter("pid<9", names, () => ({})),
  );
  view.advance();
  const snapshot = snapshotOfView(store, view);
  assert.equal(snapshot.length, 2);
  assert.deepEqual(snapshot.cells({ key: "pid:uint32" }, 0, 2), [7, 8]);
  assert.deepEqual(snapshot.gaps, [{ probe: "fexit", where: "kernel", rows: 12, before: 1 }]);
});

test("an export holds its rows while the store lets them go or forgets them", async () => {
  const store = new EventStore(10_000);
  const pids = (first) =>
    batchOf({ pid: ["uint32", Array.from({ length: 10_000 }, (_, n) => first + n)] });
  store.append(pids(0));
  const view = new View(store, EVERYTHING);
  view.advance();
  const snapshot = snapshotOfStore(store);
  store.append(pids(10_000));
  assert.equal(snapshotOfView(store, view).length, 0, "the view has no evicted rows");
  store.clear();
  assert.equal(snapshot.length, 10_000);
  assert.deepEqual(snapshot.cells({ key: "pid:uint32" }, 9_998, 10_000), [9_998, 9_999]);
});

test("an export tells how far it is and can be stopped", async () => {
  const snapshot = snapshotOfStore(longStore(10_000));
  const seen = [];
  await written(snapshot, "csv", { progress: (done) => seen.push(done) });
  assert.deepEqual(seen, [2048, 4096, 6144, 8192, 10_000]);
  const controller = new AbortController();
  const stopped = written(snapshot, "csv", {
    signal: controller.signal,
    progress: () => controller.abort(),
  });
  await assert.rejects(stopped, { name: "AbortError" });
});

test("two columns of one name and two types have two names", async () => {
  const store = new EventStore();
  store.append(batchOf({ pid: ["uint32", [1]] }));
  store.append(batchOf({ pid: ["int32", [-1]] }, { probe: "odd" }));
  const [head] = (await (await written(snapshotOfStore(store), "csv")).text()).split("\r\n");
  assert.deepEqual(head.split(",").sort(), ["mode", "pid", "pid:uint32", "probe"]);
});

test("a file is called by host and time, whatever the host is called", () => {
  const date = new Date("2026-11-22T10:15:20.999Z");
  assert.equal(fileName("lab-1", date, "csv"), "probedeck-lab-1-2026-11-22T10-15-20Z.csv");
  assert.equal(fileName("../a b/ü", date, "csv"), "probedeck-a-b-2026-11-22T10-15-20Z.csv");
  assert.equal(fileName("", date, "parquet"), "probedeck-2026-11-22T10-15-20Z.parquet");
});

test("Thrift's compact protocol, with the bytes of its specification", () => {
  assert.deepEqual(varint(50_399), [0xdf, 0x89, 0x03]);
  assert.deepEqual(varint(2 ** 40), [0x80, 0x80, 0x80, 0x80, 0x80, 0x20]);
  assert.deepEqual(
    struct({ 1: i32(1), 3: text("é"), 18: i32(64) }).bytes,
    [0x15, 2, 0x28, 2, 0xc3, 0xa9, 0xf5, 0x80, 1, 0],
  );
  assert.deepEqual(list([i32(1), i32(2)]).bytes, [0x25, 2, 4]);
});
