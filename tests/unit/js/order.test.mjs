// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { CHUNK_ROWS, VALUE } from "../../../static/js/data/chunk.js";
import { Order } from "../../../static/js/data/sort/order.js";
import { radixOrder, textRanks } from "../../../static/js/data/sort/stepwise.js";
import { EventStore } from "../../../static/js/data/store.js";
import { View } from "../../../static/js/data/view.js";
import { EVERYTHING } from "../../../static/js/filter/compile.js";
import { batchOf, numbers } from "./batches.mjs";

const range = (first, count) => Array.from({ length: count }, (_, i) => first + i);
const rowsOf = (order) => range(0, order.length).map((place) => order.at(place));
const NEVER = () => false;

/** Run a generator to its end; gives what it returns and how many steps it took. */
function finish(generator) {
  for (let steps = 1; ; steps++) {
    const { done, value } = generator.next();
    if (done) return { value, steps };
  }
}

/** As `Order` promises it, by Array.sort: values, ties by coming, then rows without a value. */
function expected(store, view, { column, isDescending }) {
  const rows = range(0, view.length)
    .map((place) => view.at(place))
    .filter((row) => !store.gapAt(row));
  const has = (row) => store.stateAt(row, column.key) === VALUE;
  const value = new Map(rows.filter(has).map((row) => [row, store.valueAt(row, column.key)]));
  const sign = isDescending ? -1 : 1;
  const compare = (a, b) => {
    const [x, y] = [value.get(a), value.get(b)];
    return x < y ? -sign : x > y ? sign : a - b;
  };
  return [...rows.filter(has).sort(compare), ...rows.filter((row) => !has(row))];
}

const TYPES = {
  timestamp_ns: (n) => BigInt(n) * 2n ** 31n - 5n,
  int64: (n) => BigInt.asIntN(64, BigInt(n) * 0x9e3779b97f4a7c15n),
  uint64: (n) => BigInt.asUintN(64, BigInt(n) * 0x9e3779b97f4a7c15n),
  int32: (n) => (n % 2 ? -1 : 1) * (n % 2 ** 31),
  uint32: (n) => n,
  text: (n) => ["", "a", "B", "ä", "\u{1f600}", "\ufffd", `name ${n % 50}`, `x${n}`][n % 8],
};

for (const [type, valueFor] of Object.entries(TYPES)) {
  for (const isDescending of [false, true]) {
    test(`${type} is sorted as Array.sort does, ${isDescending ? "falling" : "rising"}, while rows come and go`, () => {
      const random = numbers(type.length);
      const next = (below) => random.next().value % below;
      const store = new EventStore(2 * CHUNK_ROWS);
      const view = new View(store, EVERYTHING);
      const order = new Order(store, view);
      const column = { key: `v:${type}`, name: "v", type };
      const grow = (count) => {
        const values = range(0, count).map(() => {
          const n = random.next().value;
          return n % 11 === 0 ? null : valueFor(n % 3 === 0 ? n % 40 : n);
        });
        store.append(batchOf({ v: [type, values] }));
        if (next(4) === 0) store.addGap({ probe: "fexit", where: "kernel", rows: 1 });
        if (next(4) === 0)
          store.append(batchOf({ other: ["uint32", [1, 2]] }, { probe: "kprobe" }));
      };
      grow(3000);
      view.advance();
      order.sort(column, isDescending);
      assert.equal(order.isSorted, false, "until there has been time for it");
      let now = 0;
      for (let i = 0; i < 60; i++) {
        grow(next(900));
        view.advance();
        // Sometimes in single steps, between which rows are added and evicted.
        let steps = 0;
        const work = () => {
          now += 300;
          return order.work(now, () => i % 3 === 0);
        };
        while (work() === 0) {
          if (steps++ % 40 === 39) grow(next(200));
          view.advance();
        }
        if (i % 3 === 0) continue;
        assert.equal(order.isReady, true);
        assert.deepEqual(rowsOf(order), expected(store, view, order.by));
      }
      assert.ok(store.evicted > CHUNK_ROWS, "rows were evicted during the sort");
      for (const place of [0, 1, order.length >> 1, order.length - 1]) {
        assert.equal(order.placeOf(order.at(place)), place);
      }
      assert.deepEqual(
        [store.first - 1, store.end].map((row) => order.placeOf(row)),
        [null, null],
      );
    });
  }
}

test("without a column the order is the view's, gaps and all", () => {
  const store = new EventStore();
  const view = new View(store, EVERYTHING);
  const order = new Order(store, view);
  store.append(batchOf({ pid: ["uint32", [3, 1, 2]] }));
  store.addGap({ probe: "fexit", where: "pipe", rows: 7 });
  view.advance();
  assert.equal(order.work(0, NEVER), null);
  assert.deepEqual(rowsOf(order), [0, 1, 2, 3]);
  assert.equal(order.gapAt(3).rows, 7);
  const column = { key: "pid:uint32", name: "pid", type: "uint32" };
  order.sort(column);
  assert.equal(order.work(0, NEVER), null);
  assert.deepEqual(rowsOf(order), [1, 2, 0]);
  order.sort(null);
  assert.deepEqual(rowsOf(order), [0, 1, 2, 3]);
});

test("rows that came are sorted in four times a second, and none is forgotten", () => {
  const store = new EventStore();
  const view = new View(store, EVERYTHING);
  const order = new Order(store, view);
  const column = { key: "pid:uint32", name: "pid", type: "uint32" };
  store.append(batchOf({ pid: ["uint32", [5, 6]] }));
  view.advance();
  order.sort(column, true);
  assert.equal(order.work(1000, NEVER), null);
  store.append(batchOf({ pid: ["uint32", [7]] }));
  view.advance();
  assert.equal(order.work(1100, NEVER), 150);
  assert.deepEqual(rowsOf(order), [1, 0]);
  assert.equal(order.work(1250, NEVER), null);
  assert.deepEqual(rowsOf(order), [2, 1, 0]);
});

test("with another filter the sorted rows are those of the view again", () => {
  const store = new EventStore();
  const view = new View(store, EVERYTHING);
  const order = new Order(store, view);
  const column = { key: "pid:uint32", name: "pid", type: "uint32" };
  store.append(batchOf({ pid: ["uint32", [5, 9, 1, 7]] }));
  view.advance();
  order.sort(column);
  order.work(0, NEVER);
  const odd = (_chunk, start, stop) =>
    Uint8Array.from({ length: stop - start }, (_, i) => (start + i) % 2);
  view.refilter({ select: odd });
  assert.equal(order.isReady, false);
  assert.equal(order.length, 0, "nothing is shown that the filter may not let through");
  view.advance();
  order.work(1, NEVER);
  assert.deepEqual(rowsOf(order), [3, 1]);
});

test("a hundred thousand are sorted in many small steps", () => {
  const count = 100_000;
  const random = numbers(3);
  const values = Float64Array.from({ length: count }, () => random.next().value);
  const sorted = finish(radixOrder([Uint32Array.from(values)], count));
  assert.deepEqual(
    sorted.value,
    Uint32Array.from(range(0, count).sort((a, b) => values[a] - values[b])),
  );
  assert.ok(sorted.steps > 10);
  const texts = Array.from(values, (value) => `/tmp/file-${value % 5000}`);
  const ranks = finish(textRanks(texts));
  const distinct = [...new Set(texts)].sort();
  const places = new Map(distinct.map((text, place) => [text, place]));
  assert.deepEqual(
    ranks.value,
    Uint32Array.from(texts, (text) => places.get(text)),
  );
  assert.ok(ranks.steps > 10);
});
