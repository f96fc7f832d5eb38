// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeBatch } from "../../../static/js/data/decode.js";
import { EventStore } from "../../../static/js/data/store.js";
import * as arrow from "../../../static/vendor/flechette.mjs";

const METADATA = { probe: "fexit", mode: "fexit", run: "1790000000000000001", batch: "3" };

function encode(columns, metadata = METADATA) {
  const table = arrow.tableFromColumns(
    Object.entries(columns).map(([name, [type, values]]) => [
      name,
      arrow.columnFromArray(values, type),
    ]),
  );
  table.schema.metadata = new Map(Object.entries(metadata));
  return arrow.tableToIPC(table, { format: "stream" });
}

const NS = 1_790_000_000_123_456_789n;

test("every type of the protocol is read without loss", () => {
  const bytes = encode({
    time: [arrow.timestamp(arrow.TimeUnit.NANOSECOND, "UTC"), [0, 1]],
    pid: [arrow.uint32(), [4_194_304, 0]],
    dfd: [arrow.int32(), [-100, 3]],
    ret: [arrow.int64(), [-2n, 9007199254740993n]],
    latency_ns: [arrow.uint64(), [2n ** 64n - 1n, 0n]],
    filename: [arrow.utf8(), ["\ufeffbom", null]],
  });
  const batch = decodeBatch(bytes);
  assert.deepEqual(
    [batch.probe, batch.mode, batch.run, batch.batch, batch.rows],
    ["fexit", "fexit", METADATA.run, 3, 2],
  );
  assert.deepEqual(
    batch.columns.map(({ type }) => type),
    ["timestamp_ns", "uint32", "int32", "int64", "uint64", "text"],
  );
  const store = new EventStore();
  store.append(batch);
  assert.equal(store.valueAt(0, "ret:int64"), -2n);
  assert.equal(store.valueAt(1, "ret:int64"), 9007199254740993n);
  assert.equal(store.valueAt(0, "latency_ns:uint64"), 2n ** 64n - 1n);
  assert.equal(store.valueAt(0, "dfd:int32"), -100);
  assert.equal(store.valueAt(0, "filename:text"), "\ufeffbom");
  assert.equal(store.stateAt(1, "filename:text"), 1);
});

test("nanoseconds stay exact", () => {
  // flechette writes times from milliseconds only: the eight bytes of 1 ms are replaced.
  const bytes = encode({ time: [arrow.timestamp(arrow.TimeUnit.NANOSECOND, "UTC"), [1]] });
  const words = new BigInt64Array(bytes.slice().buffer, 0, bytes.length >> 3);
  words[words.indexOf(1_000_000n)] = NS;
  const store = new EventStore();
  store.append(decodeBatch(new Uint8Array(words.buffer)));
  assert.equal(store.valueAt(0, "time:timestamp_ns"), NS);
});

test("equal neighbours are seen by their bytes", () => {
  const bytes = encode({ comm: [arrow.utf8(), ["ab", "ab", "abc", "a", "a", "", ""]] });
  const [comm] = decodeBatch(bytes).columns;
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6].map(comm.repeats), [
    false,
    true,
    false,
    false,
    true,
    false,
    true,
  ]);
});

const TEXTS = {
  "of plain letters": ["/tmp/a", "", "b".repeat(40), "/tmp/a"],
  "of any letters": ["naïve", "a", "שלום", "\u{1f600}", "plain", ""],
  "of great length": ["x".repeat(4095), "y", "z".repeat(300)],
  "with none": ["a", null, "b", null],
};

for (const [what, texts] of Object.entries(TEXTS)) {
  test(`texts ${what} are read one by one as they were written`, () => {
    const [name] = decodeBatch(encode({ name: [arrow.utf8(), texts] })).columns;
    assert.deepEqual(
      texts.map((text, row) => (text === null ? null : name.text(row))),
      texts,
    );
  });
}

test("bytes that are not UTF-8 do not move the texts behind them", () => {
  const bytes = encode({ name: [arrow.utf8(), ["ab", "cé", "plain"]] }).slice();
  const at = bytes.findIndex((byte, i) => byte === 0xc3 && bytes[i + 1] === 0xa9);
  bytes[at + 1] = 0x41; // the first byte of two, then a letter: as many characters as bytes
  const [name] = decodeBatch(bytes).columns;
  assert.deepEqual([0, 1, 2].map(name.text), ["ab", "c\ufffdA", "plain"]);
});

test("a type that the protocol does not name is shown as text", () => {
  const [ratio] = decodeBatch(encode({ ratio: [arrow.float64(), [0.5, 2.25]] })).columns;
  assert.equal(ratio.type, "text");
  assert.equal(ratio.text(1), "2.25");
});

test("a batch without its metadata is refused", () => {
  const bytes = encode({ pid: [arrow.uint32(), [1]] }, { probe: "x", mode: "x", run: "1" });
  assert.throws(() => decodeBatch(bytes), /the metadata of a batch lacks "batch"/);
});

test("bytes that are no Arrow stream are refused", () => {
  assert.throws(() => decodeBatch(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])));
});

const TOLD = { ret: "int64", latency_ns: "uint64", dfd: "int32", uid: "uint32", odd: "float" };

test("numbers of a narrower type become those of their column", () => {
  const columns = {
    ret: [arrow.int8(), [-128, 0, 127]],
    latency_ns: [arrow.uint32(), [2 ** 32 - 1, 0, 1]],
    dfd: [arrow.int16(), [-100, null, 300]],
    uid: [arrow.uint8(), [255, 0, 1]],
    odd: [arrow.int32(), [1, 2, 3]],
  };
  const table = arrow.tableFromColumns(
    Object.entries(columns).map(([name, [type, values]]) => [
      name,
      arrow.columnFromArray(values, type),
    ]),
  );
  table.schema.metadata = new Map(Object.entries(METADATA));
  for (const field of table.schema.fields) field.metadata = new Map([["type", TOLD[field.name]]]);
  const store = new EventStore();
  store.append(decodeBatch(arrow.tableToIPC(table, { format: "stream" })));
  const cells = (key) => [0, 1, 2].map((row) => store.valueAt(row, key));
  assert.deepEqual(cells("ret:int64"), [-128n, 0n, 127n]);
  assert.deepEqual(cells("latency_ns:uint64"), [2n ** 32n - 1n, 0n, 1n]);
  assert.deepEqual(cells("dfd:int32"), [-100, 0, 300]);
  assert.equal(store.stateAt(1, "dfd:int32"), 1);
  assert.deepEqual(cells("uid:uint32"), [255, 0, 1]);
  assert.deepEqual(cells("odd:int32"), [1, 2, 3]);
});

test("texts of a dictionary are texts", () => {
  const texts = ["\ufeffrm", "naïve", null, "\ufeffrm", "\ufeffrm", ""];
  const bytes = encode({ comm: [arrow.dictionary(arrow.utf8(), arrow.int8()), texts] });
  const batch = decodeBatch(bytes);
  const [comm] = batch.columns;
  assert.equal(comm.type, "text");
  assert.deepEqual([0, 1, 4].map(comm.repeats), [false, false, true]);
  const store = new EventStore();
  store.append(batch);
  for (const [row, text] of texts.entries()) {
    if (text === null) assert.equal(store.stateAt(row, "comm:text"), 1);
    else assert.equal(store.valueAt(row, "comm:text"), text);
  }
});
