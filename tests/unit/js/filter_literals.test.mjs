// SPDX-License-Identifier: Apache-2.0

// Whatever a cell shows, typed behind the column's name, finds the row that shows it: for each type
// of column, over values of all sizes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { EventStore } from "../../../static/js/data/store.js";
import { View } from "../../../static/js/data/view.js";
import { ColumnNames } from "../../../static/js/filter/column_names.js";
import { compileFilter } from "../../../static/js/filter/compile.js";
import { termOf, textOf } from "../../../static/js/filter/terms.js";
import { presentation } from "../../../static/js/format/presentation.js";
import { NO_NAMES } from "../../../static/js/format/value_names.js";
import { batchOf, numbers } from "./batches.mjs";
import { ERRORS } from "./filters.mjs";

const column = (name, type, unit = null, names = NO_NAMES) => ({
  key: `${name}:${type}`,
  name,
  type,
  title: name,
  unit,
  help: "",
  names,
});

const midnight = new Date();
midnight.setHours(0, 0, 0, 0);
const TODAY = BigInt(midnight.getTime()) * 1_000_000n;

function* wholes(random, bits) {
  for (let size = 0; size <= bits; size++) {
    const power = 2n ** BigInt(size);
    yield power - 1n;
    yield BigInt.asUintN(size, (BigInt(random.next().value) << 32n) | BigInt(random.next().value));
  }
}

function valuesOf({ type, unit }, random) {
  if (type === "timestamp_ns") {
    const inDay = () => (BigInt(random.next().value) * 86_399_999_999_999n) / 2n ** 32n;
    return Array.from({ length: 100 }, () => TODAY + inDay());
  }
  const bits = { uint32: 32, int32: 31, uint64: 64, int64: 63 }[type];
  const found = [...wholes(random, bits)];
  if (type.startsWith("int")) found.push(...found.map((value) => -value));
  // Where the shown number turns into the next: 999.5 µs, 1.005 ms.
  if (unit)
    for (let size = 1n; size < 10n ** 13n; size *= 10n)
      for (const part of [995n, 9_995n, 9_994n, 1_005n, 1_004n, 999_499n, 999_500n])
        found.push(...[-1n, 0n, 1n].map((step) => (size * part) / 1000n + step));
  const unique = [...new Set(found.filter((value) => type.startsWith("int") || value >= 0n))];
  return type.endsWith("64") ? unique : unique.map(Number);
}

const NUMBERS = [
  column("pid", "uint32"),
  column("dfd", "int32"),
  column("bytes", "uint64"),
  column("offset", "int64"),
  column("small", "int32"),
  column("ret", "int64", null, ERRORS),
  column("latency_ns", "uint64", "ns"),
  column("wait_ns", "int64", "ns"),
  column("time", "timestamp_ns"),
];

const joined = (parts) => parts.map(({ text }) => text).join("");

for (const it of NUMBERS) {
  const values = valuesOf(it, numbers(5));
  const names = new ColumnNames([it]);
  const look = presentation(it);
  const store = new EventStore();
  store.append(batchOf({ [it.name]: [it.type, values] }));

  const rows = (text) => {
    const filter = compileFilter(text, names, presentation);
    assert.deepEqual(filter.faults, [], text);
    const view = new View(store, filter);
    view.advance();
    return new Set(Array.from({ length: view.length }, (_, place) => view.at(place)));
  };

  test(`what a cell of ${it.name} shows finds its row, and != hides it`, () => {
    for (const [row, value] of values.entries()) {
      const shown = joined(look.parts(value));
      for (const text of [`${it.name}=${shown}`, `${it.name} = ${shown}`])
        assert.ok(rows(text).has(row), `${value}: ${text}`);
      assert.ok(!rows(`${it.name}!=${shown}`).has(row), `${value}: != ${shown}`);
    }
  });

  test(`what the detail of ${it.name} shows is exact for every operator`, () => {
    for (const [row, value] of values.entries()) {
      const shown = joined(look.full(value));
      for (const [operator, isIn] of [
        ["=", (other) => other === value],
        ["!=", (other) => other !== value],
        ["<", (other) => other < value],
        ["<=", (other) => other <= value],
        [">", (other) => other > value],
        [">=", (other) => other >= value],
      ]) {
        const expected = values.flatMap((other, i) => (isIn(other) ? [i] : []));
        assert.deepEqual(
          [...rows(`${it.name}${operator}${shown}`)],
          expected,
          `${operator}${shown}`,
        );
        const term = termOf({ operator, value }, it, names, look);
        assert.deepEqual([...rows(term)], expected, term);
      }
      assert.ok(rows(`${it.name}=${shown}..${shown}`).has(row));
    }
  });
}

test("each text finds its row exactly, whatever is in it", () => {
  const random = numbers(9);
  const signs = [..."ab \"'\\*?=<>~!()&|,:;%/.‘’“”„Ä\n\u202e-"];
  const texts = Array.from({ length: 400 }, () =>
    Array.from(
      { length: (random.next().value >>> 8) % 7 },
      () => signs[(random.next().value >>> 8) % signs.length],
    ).join(""),
  );
  const it = column("filename", "text");
  const names = new ColumnNames([it]);
  const store = new EventStore();
  store.append(batchOf({ filename: ["text", texts] }));
  for (const text of texts) {
    for (const [operator, isIn] of [
      ["=", (other) => other === text],
      ["!=", (other) => other !== text],
    ]) {
      const filter = compileFilter(`filename${operator}${textOf(text)}`, names, presentation);
      assert.deepEqual(filter.faults, [], text);
      const view = new View(store, filter);
      view.advance();
      const found = Array.from({ length: view.length }, (_, place) => texts[view.at(place)]);
      assert.deepEqual(found, texts.filter(isIn), `${operator}${textOf(text)}`);
    }
  }
});

test("every name of every error finds its rows, as result and as error, in any case", () => {
  const columns = [column("ret", "int64", null, ERRORS), column("errno", "text", null, ERRORS)];
  const names = new ColumnNames(columns);
  const errors = [...new Set(ERRORS.all.map((name) => ERRORS.valueOf(name)))];
  const store = new EventStore();
  store.append(
    batchOf({
      ret: ["int64", errors.map(BigInt)],
      errno: ["text", errors.map((value) => ERRORS.nameOf(value))],
    }),
  );
  for (const name of ERRORS.all) {
    const row = errors.indexOf(ERRORS.valueOf(name));
    for (const text of [
      `ret=${name}`,
      `ret=-${name}`,
      `ret=${name.toLowerCase()}`,
      `errno=${name}`,
      `errno=${name.toLowerCase()}`,
      `errno=${-errors[row]}`,
      `errno~${name}`,
    ]) {
      const view = new View(store, compileFilter(text, names, presentation));
      view.advance();
      assert.deepEqual([view.length, view.at(0)], [1, row], text);
    }
  }
});
