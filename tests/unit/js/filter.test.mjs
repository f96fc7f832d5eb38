import assert from "node:assert/strict";
import { test } from "node:test";

import { EventStore } from "../../../static/js/data/store.js";
import { View } from "../../../static/js/data/view.js";
import { compileFilter, EVERYTHING } from "../../../static/js/filter/compile.js";
import { FilterError, parseInterval } from "../../../static/js/filter/interval.js";
import { clockLiteral, numberLiteral } from "../../../static/js/filter/literals.js";
import { parseWords } from "../../../static/js/filter/words.js";
import { errnoValue } from "../../../static/js/format/errno.js";
import { batchOf } from "./batches.mjs";

test("words are split at spaces and kept together by quotes", () => {
  assert.deepEqual(parseWords(""), []);
  assert.deepEqual(parseWords("  \t "), []);
  assert.deepEqual(parseWords('RM "my file" x'), ["rm", "my file", "x"]);
  assert.deepEqual(parseWords('"not closed'), ["not closed"]);
  assert.deepEqual(parseWords('""'), []);
});

const INTERVALS = [
  ["5", [5], [4, 6]],
  ["=5", [5], [4, 6]],
  ["!=5", [4, 6], [5]],
  ["!= 5", [4, 6], [5]],
  ["<5", [4, -9], [5, 6]],
  ["<=5", [4, 5], [6]],
  [">5", [6], [5, 4]],
  [">= 5", [5, 6], [4]],
  ["1..5", [1, 3, 5], [0, 6]],
  ["1 .. 5", [1, 3, 5], [0, 6]],
  ["..5", [-1, 5], [6]],
  ["5..", [5, 6], [4]],
  ["-5..-2", [-5, -2], [-6, -1]],
  ["1,000", [1000], [1, 0]],
  ["2.5..3.5", [3], [2, 4]],
  ["−2", [-2], [2]], // the minus sign that the table shows
];

for (const [text, inside, outside] of INTERVALS) {
  test(`${text} lets ${inside} through and not ${outside}, also as 64-bit numbers`, () => {
    const holds = parseInterval(text, numberLiteral(null));
    for (const value of inside) assert.ok(holds(value) && holds(BigInt(value)), `${value}`);
    for (const value of outside) assert.ok(!holds(value) && !holds(BigInt(value)), `${value}`);
  });
}

test("64-bit numbers are compared exactly", () => {
  const holds = parseInterval("9007199254740993", numberLiteral(null));
  assert.ok(holds(9007199254740993n));
  assert.ok(!holds(9007199254740992n));
});

const LATENCIES = [
  [">1ms", 1_000_001n, 1_000_000n],
  [">=1.5ms", 1_500_000n, 1_499_999n],
  ["<2us", 1_999n, 2_000n],
  ["<2µs", 1_999n, 2_000n],
  ["<2μs", 1_999n, 2_000n],
  ["1s..2 s", 1_000_000_000n, 2_000_000_001n],
  [">0.5ns", 1n, 0n],
  ["250", 250n, 251n],
];

for (const [text, inside, outside] of LATENCIES) {
  test(`${text} is understood for latencies`, () => {
    const holds = parseInterval(text, numberLiteral("ns"));
    assert.ok(holds(inside));
    assert.ok(!holds(outside));
  });
}

test("names stand for numbers where the column has names", () => {
  const holds = parseInterval("!=enoent", numberLiteral(null, errnoValue));
  assert.ok(holds(-1n));
  assert.ok(!holds(-2n));
});

const FAULTY = [
  ["abc", null, /“abc” is not a number/],
  [">", null, /a value is missing after >/],
  ["..", null, /needs a value before or after/],
  ["5..1", null, /5 is more than 1/],
  ["1..x", null, /“x” is not a number/],
  ["1ms", null, /no unit is needed/],
  ["1h", "ns", /“h” is not a unit/],
  ["1,00", null, /“1,00” is not a number/],
  ["1 2", null, /is not a number/],
];

for (const [text, unit, message] of FAULTY) {
  test(`${text} is refused with a reason`, () => {
    assert.throws(() => parseInterval(text, numberLiteral(unit)), (error) => {
      assert.ok(error instanceof FilterError);
      assert.match(error.message, message);
      return true;
    });
  });
}

const NOON = new Date(2026, 10, 22, 12, 0, 0);
const at = (hour, minute, second, ns = 0) =>
  BigInt(new Date(2026, 10, 22, hour, minute, second).getTime()) * 1_000_000n + BigInt(ns);

test("a time of day stands for its whole minute, second or fraction", () => {
  const read = clockLiteral(() => NOON);
  assert.deepEqual(read("10:15"), [at(10, 15, 0), at(10, 16, 0) - 1n]);
  assert.deepEqual(read("10:15:20"), [at(10, 15, 20), at(10, 15, 21) - 1n]);
  assert.deepEqual(read("10:15:20.5"), [at(10, 15, 20, 500_000_000), at(10, 15, 20, 599_999_999)]);
  assert.deepEqual(read("10:15:20.123456789"), [at(10, 15, 20, 123456789), at(10, 15, 20, 123456789)]);
  const holds = parseInterval("10:15..10:16", read);
  assert.ok(holds(at(10, 16, 59)) && !holds(at(10, 17, 0)) && !holds(at(10, 14, 59)));
  assert.ok(parseInterval(">10:15", read)(at(10, 16, 0)));
  assert.ok(!parseInterval(">10:15", read)(at(10, 15, 59)));
  for (const wrong of ["10", "25:00", "10:61", "10:15:60", "noon"]) {
    assert.throws(() => read(wrong), FilterError, wrong);
  }
});

function events() {
  const store = new EventStore();
  store.append(
    batchOf({
      pid: ["uint32", [10, 11, 12, 13]],
      comm: ["text", ["rm", "RM", "git", "rm"]],
      filename: ["text", ["/tmp/a", "/var/B.log", null, "/tmp/b.LOG"]],
      ret: ["int64", [0n, -2n, 0n, -13n]],
    }),
  );
  store.append(batchOf({ pid: ["uint32", [14]], comm: ["text", ["rm"]] }, { probe: "kprobe" }));
  return store;
}

function passing(store, text, boxes = {}) {
  const filter = compileFilter(text, new Map(Object.entries(boxes)), store.columns.all, (column) =>
    column.name === "ret" ? errnoValue : undefined,
  );
  const view = new View(store, filter);
  view.advance();
  const rows = Array.from({ length: view.length }, (_, place) => view.at(place));
  return { rows, errors: filter.errors, active: filter.active };
}

test("all words must occur, each in any text column, in any case", () => {
  const store = events();
  assert.deepEqual(passing(store, "").rows, [0, 1, 2, 3, 4]);
  assert.deepEqual(passing(store, "rm").rows, [0, 1, 3, 4]);
  assert.deepEqual(passing(store, "rm LOG").rows, [1, 3]);
  assert.deepEqual(passing(store, "tmp log rm").rows, [3]);
  assert.deepEqual(passing(store, "kprobe").rows, [4]);
  assert.deepEqual(passing(store, "nowhere").rows, []);
});

test("boxes filter their column, and all must hold", () => {
  const store = events();
  assert.deepEqual(passing(store, "", { "comm:text": "RM", "pid:uint32": ">10" }).rows, [1, 3, 4]);
  assert.deepEqual(passing(store, "", { "filename:text": "log" }).rows, [1, 3]);
  assert.deepEqual(passing(store, "", { "ret:int64": "<0" }).rows, [1, 3]);
  assert.deepEqual(passing(store, "", { "ret:int64": "EACCES" }).rows, [3]);
  assert.deepEqual(passing(store, "rm", { "ret:int64": "0" }).rows, [0]);
});

test("a row without a value does not pass, whatever the test", () => {
  const store = events();
  assert.deepEqual(passing(store, "", { "ret:int64": "!=0" }).rows, [1, 3]);
  assert.ok(!passing(store, "", { "filename:text": "/" }).rows.includes(2));
});

test("a text that is no filter is told and filters nothing", () => {
  const { rows, errors, active } = passing(events(), "", { "pid:uint32": "abc", "comm:text": " " });
  assert.deepEqual(rows, [0, 1, 2, 3, 4]);
  assert.deepEqual([...errors.keys()], ["pid:uint32"]);
  assert.equal(active, false);
});

test("no filter has no test to run", () => {
  assert.equal(compileFilter(" ", new Map(), []).select, EVERYTHING.select);
});
