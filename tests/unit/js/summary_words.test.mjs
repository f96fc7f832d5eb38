// SPDX-License-Identifier: Apache-2.0

// The words, ranges and table of contents of the summary.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inColumnType } from "../../../static/js/data/columns.js";
import {
  axisNumber,
  clockRange,
  clockTime,
  percent,
  widthWords,
} from "../../../static/js/format/axis.js";
import { planOf } from "../../../static/js/summary/plan.js";
import { ends, movedSpan, sameSpan } from "../../../static/js/summary/selection.js";

const CASES = [
  [axisNumber, [0], "0"],
  [axisNumber, [0.25], "0.25"],
  [axisNumber, [1500], "1.5k"],
  [axisNumber, [2_000_000], "2M"],
  [widthWords, [1], "1 s"],
  [widthWords, [300], "5 min"],
  [widthWords, [14_400], "4 h"],
  [widthWords, [864_000], "10 d"],
  [percent, [0, 0], "0%"],
  [percent, [0, 9], "0%"],
  [percent, [1, 100_000], "<0.1%"],
  [percent, [1, 800], "0.1%"],
  [percent, [99_999, 100_000], ">99.9%"],
  [percent, [9_964, 10_000], "99.6%"],
  [percent, [995, 1_000], "99.5%"],
  [percent, [994, 1_000], "99%"],
  [percent, [7, 7], "100%"],
  [percent, [1, 3], "33%"],
  [inColumnType, ["uint64", 5], 5n],
  [inColumnType, ["timestamp_ns", 5n], 5n],
  [inColumnType, ["uint32", 5n], 5],
];

for (const [words, values, expected] of CASES) {
  test(`${words.name}(${values.join(", ")}) is ${expected}`, () => {
    assert.equal(words(...values), expected);
  });
}

test("times of an axis are no finer than its steps; ranges name days where these differ", () => {
  const at = new Date(2026, 10, 22, 9, 5, 7).getTime() / 1000;
  assert.equal(clockTime(at, 1), "09:05:07");
  assert.equal(clockTime(at, 60), "09:05");
  assert.equal(clockTime(at, 86_400), "2026-11-22");
  assert.equal(clockRange(at, at + 60), "09:05:07 to 09:06:07");
  assert.equal(clockRange(at, at + 86_400), "2026-11-22 09:05:07 to 2026-11-23 09:05:07");
});

test("keys move a span of steps, and with Shift widen it", () => {
  const moved = (span, key, isShift = false) => movedSpan(span, key, isShift, 100);
  assert.deepEqual(moved(null, "ArrowLeft"), { from: 99, to: 99 });
  assert.deepEqual(moved({ from: 99, to: 99 }, "ArrowLeft"), { from: 98, to: 98 });
  assert.deepEqual(moved({ from: 98, to: 98 }, "ArrowLeft", true), { from: 98, to: 97 });
  assert.deepEqual(moved({ from: 98, to: 97 }, "ArrowRight"), { from: 98, to: 98 });
  assert.deepEqual(moved({ from: 5, to: 5 }, "PageUp", true), { from: 5, to: 0 });
  assert.deepEqual(moved({ from: 5, to: 5 }, "PageDown"), { from: 15, to: 15 });
  assert.deepEqual(moved(null, "Home", true), { from: 0, to: 0 });
  assert.deepEqual(moved({ from: 0, to: 0 }, "End", true), { from: 0, to: 99 });
  assert.equal(moved(null, "a"), null);
  assert.equal(moved(null, "toString"), null);
  assert.equal(movedSpan({ from: 1, to: 1 }, "End", false, 0), null);
  assert.deepEqual(ends({ from: 98, to: 97 }), [97, 98]);
  assert.deepEqual(ends({ from: 3, to: 3 }), [3, 3]);
});

test("a span stays between its edges while steps come and go", () => {
  const span = { from: 3, to: 1 };
  assert.deepEqual(sameSpan(span, [0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]), { from: 2, to: 0 });
  assert.deepEqual(sameSpan(span, [0, 1, 2, 3, 4], [-1, 0, 1, 2, 3, 4]), { from: 4, to: 2 });
  assert.equal(sameSpan(span, [0, 1, 2, 3, 4], [2, 3, 4, 5]), null, "its first step is gone");
  assert.equal(sameSpan(span, [0, 1, 2, 3, 4], [0, 1, 2, 3]), null, "its last step is gone");
  assert.equal(sameSpan(span, [0, 1, 2, 3, 4], [1, 4, 7, 10, 13]), null, "steps are wider now");
});

const column = (name, type, unit = null) => ({
  key: `${name}:${type}`,
  name,
  type,
  unit,
  title: name,
});

test("types, units and presentations say which parts there are, whatever the columns", () => {
  const plan = (...columns) => planOf(columns).map(({ kind, key }) => `${kind} ${key}`);
  assert.deepEqual(
    plan(
      column("time", "timestamp_ns"),
      column("probe", "text"),
      column("uid", "uint32"),
      column("pid", "uint32"),
      column("process", "text"),
      column("anything", "text"),
      column("latency_ns", "uint64", "ns"),
      column("waited", "uint32", "ns"),
    ),
    [
      "timeline time:timestamp_ns",
      "histogram latency_ns:uint64",
      "histogram waited:uint32",
      "tally process:text",
      "tally anything:text",
      "tally uid:uint32",
    ],
  );
  assert.deepEqual(plan(column("size", "uint64")), []);
  assert.deepEqual(plan(), []);
});

test("all of it is 100%, none of it is 0%, and nothing else is", () => {
  for (const whole of [1, 2, 3, 7, 199, 200, 201, 999, 1000, 1001, 9_999, 324_995]) {
    const parts = [0, 1, 2, whole - 2, whole - 1, whole, Math.floor(whole * 0.9964)];
    for (const part of parts.filter((it) => it >= 0 && it <= whole)) {
      assert.equal(percent(part, whole) === "100%", part === whole, `${part} of ${whole}`);
      assert.equal(percent(part, whole) === "0%", part === 0, `${part} of ${whole}`);
    }
  }
});
