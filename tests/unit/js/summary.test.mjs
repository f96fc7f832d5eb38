// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { CHUNK_ROWS } from "../../../static/js/data/chunk.js";
import { EventStore } from "../../../static/js/data/store.js";
import { View } from "../../../static/js/data/view.js";
import { ColumnNames } from "../../../static/js/filter/column_names.js";
import { compileFilter, EVERYTHING } from "../../../static/js/filter/compile.js";
import { BINS, barsOf, binOf, lowOf, quantile } from "../../../static/js/summary/bins.js";
import { NumberIds, TextIds } from "../../../static/js/summary/ids.js";
import { Leaders } from "../../../static/js/summary/leaders.js";
import { Summary } from "../../../static/js/summary/summary.js";
import { WIDTHS_S } from "../../../static/js/summary/timeline.js";
import { batchOf, numbers } from "./batches.mjs";

const binOfBig = (value) => binOf(Number(value >> 32n), Number(value & 0xffff_ffffn) | 0);

test("a bin holds its values, and no value is further than 1/128 from its middle", () => {
  const random = numbers(3);
  const next = () => BigInt(random.next().value);
  const values = [
    0n,
    1n,
    63n,
    64n,
    65n,
    2n ** 31n,
    2n ** 32n,
    2n ** 37n,
    2n ** 38n,
    2n ** 64n - 1n,
  ];
  for (let bits = 0n; bits < 64n; bits++) {
    for (let i = 0; i < 50; i++) values.push(((next() << 32n) | next()) >> bits);
    values.push(2n ** bits, 2n ** bits - 1n);
  }
  for (const value of values) {
    const bin = binOfBig(value);
    assert.ok(bin >= 0 && bin < BINS, `${value}`);
    const low = BigInt(lowOf(bin));
    const high = BigInt(lowOf(bin + 1));
    assert.ok(low <= value && value < high, `${value} in ${low}..${high}`);
    const middle = (Number(low) + Number(high) - 1) / 2;
    assert.ok(
      Math.abs(middle - Number(value)) <= Number(value) / 128,
      `${value} reported as ${middle}`,
    );
  }
});

test("a quantile is that of the sorted values, to 1/128", () => {
  const random = numbers(11);
  const values = Array.from({ length: 5001 }, () =>
    Math.floor(Math.exp((random.next().value / 2 ** 32) * 20)),
  );
  const counts = new Uint32Array(BINS);
  for (const value of values) counts[binOf(0, value)]++;
  values.sort((a, b) => a - b);
  for (const part of [0, 0.01, 0.5, 0.9, 0.99, 1]) {
    const exact = values[Math.max(1, Math.ceil(part * values.length)) - 1];
    const found = quantile(counts, values.length, part);
    assert.ok(Math.abs(found - exact) <= exact / 128, `${part}: ${found}, not ${exact}`);
  }
  assert.ok(Number.isNaN(quantile(new Uint32Array(BINS), 0, 0.5)));
});

test("bars join bins: none is lost, at most as many as asked for, within the values' range", () => {
  const counts = new Uint32Array(BINS);
  assert.deepEqual(barsOf(counts, 10), { edges: [], counts: [] });
  counts[binOf(0, 1000)] = 5;
  assert.deepEqual(barsOf(counts, 10), { edges: [936, 1024], counts: [5] });
  for (const value of [700, 5000, 100_000]) counts[binOf(0, value)] += 3;
  const { edges, counts: bars } = barsOf(counts, 10);
  assert.equal(edges.length, bars.length + 1);
  assert.ok(bars.length <= 10 && bars.length > 5, `${bars.length}`);
  assert.equal(
    bars.reduce((a, b) => a + b),
    14,
  );
  assert.equal(bars[0] > 0 && bars.at(-1) > 0, true);
  assert.ok(edges[0] <= 700 && edges.at(-1) > 100_000);
});

test("bars are about equally wide on the scale, and none cuts a bin", () => {
  for (const most of [1000, 200, 100, 60]) {
    const { edges, counts } = barsOf(new Uint32Array(BINS).fill(1), most);
    assert.equal(
      counts.reduce((a, b) => a + b),
      BINS,
    );
    assert.equal(edges.at(-1), 2 ** 64);
    const widths = edges.slice(1).map((edge, i) => Math.log2(edge / edges[i]));
    const wide = widths.filter((_, i) => edges[i] >= 64);
    assert.ok(
      Math.max(...wide) / Math.min(...wide) < 1.2,
      `${Math.min(...wide)} to ${Math.max(...wide)}`,
    );
    for (const edge of edges.slice(0, -1)) assert.equal(lowOf(binOfBig(BigInt(edge))), edge);
  }
});

for (const [Ids, keyOf] of [
  [TextIds, (n) => `name-${n}`],
  [NumberIds, (n) => n],
]) {
  test(`${Ids.name}: a value keeps its id until it is forgotten, and no two share one`, () => {
    const random = numbers(17);
    const ids = new Ids();
    const known = new Map();
    for (let i = 0; i < 60_000; i++) {
      const key = keyOf(random.next().value % 5000);
      if (known.has(key) && random.next().value % 2) {
        ids.forget(known.get(key));
        known.delete(key);
      } else {
        const id = ids.of(key);
        assert.equal(id, known.get(key) ?? id);
        assert.equal(ids.keys[id], key);
        known.set(key, id);
      }
    }
    assert.equal(ids.size, known.size);
    assert.equal(new Set(known.values()).size, known.size);
    for (const [key, id] of known) assert.equal(ids.of(key), id);
    assert.equal(ids.find(keyOf(5001)), 0);
    assert.ok(ids.keys.length <= 5001, "ids are used again");
  });
}

test("the leaders are the largest counts, also after most of them fell", () => {
  const random = numbers(5);
  const next = (below) => random.next().value % below;
  const counts = new Uint32Array(6000);
  const leaders = new Leaders(() => counts);
  const used = () => counts.filter((count) => count > 0).length;
  const expected = () =>
    [...counts]
      .sort((a, b) => b - a)
      .slice(0, 10)
      .filter((count) => count > 0);
  const check = () => {
    const found = leaders.first(10, used());
    assert.equal(new Set(found).size, found.length);
    assert.deepEqual(
      found.map((id) => counts[id]),
      expected(),
    );
  };
  check();
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < 3000; i++) {
      const id = round % 3 === 0 ? next(6000) : next(1 + next(6000));
      leaders.rose(id, ++counts[id]);
    }
    check();
    for (let id = 0; id < 6000; id++) {
      const fall =
        round % 4 === 3 ? counts[id] - Math.min(counts[id], next(3)) : next(counts[id] + 1) >> 1;
      counts[id] -= fall;
      if (fall > 0 && counts[id] === 0) leaders.forget(id);
    }
    check();
  }
});

test("when all leaders are gone or have fallen, others are found", () => {
  const counts = new Uint32Array(9000);
  const leaders = new Leaders(() => counts);
  const set = (id, count) => {
    const rose = count > counts[id];
    counts[id] = count;
    if (rose) leaders.rose(id, count);
    else if (count === 0) leaders.forget(id);
  };
  for (let id = 1; id < 9000; id++) set(id, id < 3000 ? 50_000 : id % 1000);
  const largest = (used) => leaders.first(10, used).map((id) => counts[id]);
  assert.deepEqual(largest(8999 - 6), new Array(10).fill(50_000));
  for (let id = 1; id < 3000; id++) set(id, 0);
  assert.deepEqual(largest(6000 - 6), [999, 999, 999, 999, 999, 999, 998, 998, 998, 998]);
  for (let id = 3000; id < 9000; id++) if (counts[id] > 2) set(id, 2);
  assert.deepEqual(largest(6000 - 6), new Array(10).fill(2));
  for (let id = 3000; id < 8995; id++) set(id, 0);
  assert.deepEqual(largest(5), [2, 2, 2, 2, 2]);
});

// Whole summaries, against a count of the view's rows one by one.

const described = [{ name: "latency_ns", type: "uint64", title: "Latency", unit: "ns", help: "" }];

function part(summary, kind, name) {
  return summary.parts.find((it) => it.kind === kind && it.key.startsWith(`${name}:`)).measure;
}

function valuesOf(store, view, key) {
  const values = [];
  for (let place = 0; place < view.length; place++) {
    const row = view.at(place);
    if (store.gapAt(row)) continue;
    const state = store.stateAt(row, key);
    if (state > 0) values.push(state === 1 ? null : store.valueAt(row, key));
  }
  return values;
}

function checkTally(summary, store, view, name, type) {
  const tally = part(summary, "tally", name);
  const values = valuesOf(store, view, `${name}:${type}`);
  const counts = new Map();
  for (const value of values) if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  const sizes = [...counts.values()].sort((a, b) => b - a).slice(0, 10);
  const top = tally.top(10);
  assert.deepEqual(
    top.map(({ count }) => count),
    sizes,
  );
  for (const { key, count } of top) assert.equal(count, counts.get(key), `${key}`);
  for (const [key, count] of [...counts].slice(0, 50)) assert.equal(tally.countOf(key), count);
  assert.equal(tally.countOf(type === "text" ? "no such text" : 12345), 0);
  assert.equal(tally.distinct, counts.size);
  assert.equal(tally.nulls, values.filter((value) => value === null).length);
  assert.equal(tally.values, values.length - tally.nulls);
}

function check(summary, store, view) {
  checkTally(summary, store, view, "process", "text");
  checkTally(summary, store, view, "filename", "text");
  checkTally(summary, store, view, "errno", "text");
  checkTally(summary, store, view, "uid", "uint32");

  const latencies = valuesOf(store, view, "latency_ns:uint64")
    .map(Number)
    .sort((a, b) => a - b);
  const histogram = part(summary, "histogram", "latency_ns");
  assert.equal(histogram.total, latencies.length);
  assert.equal(
    histogram.bars().counts.reduce((a, b) => a + b, 0),
    latencies.length,
  );
  if (latencies.length > 0) {
    assert.deepEqual(histogram.range, { least: latencies[0], most: latencies.at(-1) });
    for (const q of [0.5, 0.99]) {
      const exact = latencies[Math.ceil(q * latencies.length) - 1];
      assert.ok(Math.abs(histogram.quantile(q) - exact) <= exact / 128);
    }
  } else {
    assert.equal(histogram.range, null);
  }

  const times = valuesOf(store, view, "time:timestamp_ns");
  const probes = valuesOf(store, view, "probe:text");
  const found = part(summary, "timeline", "time").buckets();
  if (times.length === 0) return assert.equal(found, null);
  const expected = new Map();
  for (const [i, time] of times.entries()) {
    const second = Number((time - (((time % 10n ** 9n) + 10n ** 9n) % 10n ** 9n)) / 10n ** 9n);
    const bucket = (Math.floor(second / found.width) * found.width - found.start) / found.width;
    const key = `${probes[i]} ${bucket}`;
    expected.set(key, (expected.get(key) ?? 0) + 1);
  }
  const got = new Map();
  for (const { name, counts } of found.series) {
    for (const [i, count] of counts.entries()) if (count) got.set(`${name} ${i}`, count);
  }
  assert.deepEqual(new Map([...got].sort()), new Map([...expected].sort()));
  assert.ok(
    found.seconds.length <= 300 && found.seconds.every((it) => it >= 1 && it <= found.width),
  );
}

/** A batch of made-up events; some values rare, some in half the rows. */
function eventsOf(next, count, time, probe = "fexit") {
  const make = (value) => Array.from({ length: count }, value);
  return batchOf(
    {
      time: ["timestamp_ns", make((_, i) => time + BigInt(i) * 1_000_003n)],
      uid: ["uint32", make(() => (next(2) ? 0 : next(50)))],
      process: ["text", make(() => ["rm", "git", `cc-${next(100)}`][next(3)])],
      filename: ["text", make(() => (next(20) ? `/f/${next(next(2) ? 20 : 100_000)}` : null))],
      errno: ["text", make(() => (next(5) ? null : ["ENOENT", "EACCES"][next(2)]))],
      latency_ns: [
        "uint64",
        make(() => BigInt(next(2 ** (1 + next(31)))) * BigInt(1 + next(1000))),
      ],
    },
    { probe },
  );
}

test("a summary is the count of the view's rows, while rows come and go and filters change", () => {
  const random = numbers(21);
  const next = (below) => random.next().value % below;
  const store = new EventStore(30_000);
  store.columns.describe(described);
  const view = new View(store, EVERYTHING);
  const summary = new Summary(store, view);
  let time = 1_795_341_600n * 10n ** 9n - 5_000_000n;
  let checks = 0;
  for (let round = 0; round < 260; round++) {
    const count = 1 + next(round % 40 === 39 ? 20_000 : 1200);
    store.append(eventsOf(next, count, time, next(2) ? "fexit" : "kprobe"));
    time += BigInt(count) * 1_000_003n;
    if (next(6) === 0) store.addGap({ probe: "fexit", where: "kernel", rows: 3 });
    if (next(25) === 0) {
      const text = ["", "git", "cc-1", "nothing has this", "rm"][next(5)];
      view.refilter(compileFilter(text, new ColumnNames(store.columns.all), () => ({})));
    }
    if (round === 200) {
      store.clear();
      view.reset();
    }
    if (next(3) > 0) view.advance();
    let steps = next(4);
    const isDone = summary.advance(() => steps-- <= 0); // stops in the middle
    if (!isDone || round % 9 > 0) continue;
    checks++;
    // The store may have fewer rows than the view: evicted rows are no longer counted.
    view.advance();
    summary.advance();
    check(summary, store, view);
  }
  assert.ok(checks > 8, `${checks} checks`);
  view.advance();
  while (!summary.advance(() => true)) assert.ok(summary.progress < 1);
  assert.equal(summary.progress, 1);
  check(summary, store, view);
});

test("rows evicted before or after they were counted do not count", () => {
  const next = (
    (random) => (below) =>
      random.next().value % below
  )(numbers(9));
  const store = new EventStore(20_000);
  store.columns.describe(described);
  const view = new View(store, EVERYTHING);
  const summary = new Summary(store, view);
  store.append(eventsOf(next, 15_000, 10n ** 18n));
  view.advance();
  summary.advance(() => true); // one step
  for (let i = 0; i < 4; i++) store.append(eventsOf(next, 15_000, 10n ** 18n));
  summary.advance(); // the view has not followed; its rows are gone
  assert.equal(part(summary, "tally", "process").values, 0);
  view.advance();
  summary.advance();
  check(summary, store, view);
});

test("a view that is empty, has one row, or only gaps", () => {
  const store = new EventStore(20_000);
  store.columns.describe(described);
  const view = new View(store, EVERYTHING);
  const summary = new Summary(store, view);
  assert.equal(summary.advance(), true);
  assert.deepEqual(summary.parts, []);
  store.append(eventsOf(() => 0, 1, -1n));
  view.advance();
  summary.advance();
  check(summary, store, view);
  assert.equal(part(summary, "timeline", "time").buckets().start, -1);
  store.clear();
  view.reset();
  store.addGap({ probe: "fexit", where: "pipe", rows: 3 });
  view.advance();
  summary.advance();
  check(summary, store, view);
});

test("what a probe lacks is not counted as nothing", () => {
  const store = new EventStore(20_000);
  const view = new View(store, EVERYTHING);
  const summary = new Summary(store, view);
  store.append(batchOf({ process: ["text", ["a", "b"]] }, { probe: "kprobe" }));
  store.append(batchOf({ process: ["text", ["a", "a"]], errno: ["text", [null, "EIO"]] }));
  view.advance();
  summary.advance();
  const { values, nulls } = part(summary, "tally", "errno");
  assert.deepEqual([values, nulls], [1, 1]);
  assert.deepEqual(part(summary, "tally", "process").top(10), [
    { key: "a", count: 3 },
    { key: "b", count: 1 },
  ]);
});

test("the timeline zooms out automatically, whether chunks or the whole are long", () => {
  for (const gap of [1n, 7n, 3600n, 400_000n]) {
    const store = new EventStore(40_000);
    const view = new View(store, EVERYTHING);
    const summary = new Summary(store, view);
    const count = 2 * CHUNK_ROWS + 1000;
    const seconds = Array.from({ length: count }, (_, i) => BigInt(i) * gap);
    store.append(batchOf({ time: ["timestamp_ns", seconds.map((it) => it * 10n ** 9n)] }));
    view.advance();
    summary.advance();
    const { width, start, series } = part(summary, "timeline", "time").buckets();
    assert.ok(WIDTHS_S.includes(width));
    const expected = series[0].counts.map(() => 0);
    for (const second of seconds) expected[Math.floor((Number(second) - start) / width)]++;
    assert.deepEqual(series[0].counts, expected);
    assert.ok(expected.length <= 300 && expected.length >= 30, `${expected.length}`);
  }
});

test("seconds without events are zero, and the first and last bucket know how long they are", () => {
  const store = new EventStore(40_000);
  const view = new View(store, EVERYTHING);
  const summary = new Summary(store, view);
  const at = (...seconds) =>
    batchOf({ time: ["timestamp_ns", seconds.map((it) => BigInt(it) * 10n ** 9n)] });
  store.append(at(100, 100, 103));
  view.advance();
  summary.advance();
  const timeline = part(summary, "timeline", "time");
  assert.deepEqual(timeline.buckets(), {
    start: 100,
    width: 1,
    seconds: [1, 1, 1, 1],
    series: [{ name: "fexit", counts: [2, 0, 0, 1] }],
  });
  store.append(at(501));
  view.advance();
  summary.advance();
  const { start, width, seconds } = timeline.buckets();
  assert.deepEqual([start, width, seconds[0], seconds.at(-1)], [100, 5, 5, 2]);
});
