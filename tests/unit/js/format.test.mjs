// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { duration } from "../../../static/js/format/duration.js";
import { hueClass } from "../../../static/js/format/hue.js";
import { counted, grouped, rate } from "../../../static/js/format/number.js";
import { presentation } from "../../../static/js/format/presentation.js";
import { sentence, splitPath, visibleParts, visibleText } from "../../../static/js/format/text.js";
import { localTime, utcTime } from "../../../static/js/format/time.js";
import { ERRORS } from "./filters.mjs";

const DURATIONS = [
  [0n, "0 ns"],
  [999n, "999 ns"],
  [1000n, "1.00 µs"],
  [1234n, "1.23 µs"],
  [9_999n, "10.0 µs"],
  [12_345n, "12.3 µs"],
  [99_960n, "100 µs"],
  [999_600n, "1.00 ms"],
  [1_500_000n, "1.50 ms"],
  [2_000_000_000n, "2.00 s"],
  [3_600_000_000_000n, "3,600 s"],
  [-1n, "−1 ns"],
  [-1_500_000n, "−1.50 ms"],
];

for (const [ns, text] of DURATIONS) {
  test(`${ns} ns is ${text}`, () => assert.equal(duration(ns), text));
}

test("numbers are grouped, exactly", () => {
  assert.equal(grouped(1234567), "1,234,567");
  assert.equal(grouped(18446744073709551615n), "18,446,744,073,709,551,615");
  assert.equal(grouped(-1234n), "−1,234");
  assert.equal(counted(1, "event"), "1 event");
  assert.equal(counted(2000, "event"), "2,000 events");
  assert.deepEqual([0, 12.4, 9_999, 20_040, 1_234_567].map(rate), [
    "0/s",
    "12/s",
    "9,999/s",
    "20k/s",
    "1.23M/s",
  ]);
});

test("times keep every digit", () => {
  const ns = BigInt(new Date(2026, 10, 22, 9, 5, 7).getTime()) * 1_000_000n + 123_456_789n;
  assert.equal(localTime(ns), "09:05:07.123456");
  assert.equal(utcTime(1_795_341_600_123_456_789n), "2026-11-22T10:00:00.123456789Z");
  assert.equal(utcTime(0n), "1970-01-01T00:00:00.000000000Z");
  assert.equal(utcTime(-1n), "1969-12-31T23:59:59.999999999Z");
});

test("errors have names and meanings, from the table that the service sends", () => {
  assert.equal(ERRORS.nameOf(-2n), "ENOENT");
  assert.equal(ERRORS.nameOf(-2), "ENOENT");
  assert.equal(ERRORS.nameOf(0n), undefined);
  assert.equal(ERRORS.nameOf(-4000n), undefined);
  assert.equal(ERRORS.valueOf("EACCES"), -13);
  assert.equal(ERRORS.valueOf("-eacces"), -13);
  assert.equal(ERRORS.valueOf("E600"), -600);
  for (const text of ["constructor", "E5000", "E0", "", "-", "CONSTRUCTOR"])
    assert.equal(ERRORS.valueOf(text), undefined, text);
  assert.equal(ERRORS.firstOf("EOPNOTSUPP"), "ENOTSUP");
  assert.equal(ERRORS.firstOf("95"), "ENOTSUP");
  assert.equal(ERRORS.firstOf("9x"), undefined);
  assert.equal(ERRORS.meaningOf("ENOENT"), "No such file or directory");
  assert.equal(ERRORS.meaningOf(-2n), "No such file or directory");
});

const HOSTILE = [
  ["a\nb", "a\\nb"],
  ["\x1b[31mred", "\\e[31mred"],
  ["\x00\x07\x7f\x9b", "\\x00\\a\\x7F\\x9B"],
  ["\u202egnp.exe", "U+202Egnp.exe"],
  ["a\u200bb\u2066c\u2069", "aU+200BbU+2066cU+2069"],
  ["\ufeffx\u00a0y", "U+FEFFx\\xA0y"],
  ["tag\u{e0041}", "tagU+E0041"],
  ["half \ud800", "half U+D800"],
  ["line\u2028end", "lineU+2028end"],
];

for (const [text, shown] of HOSTILE) {
  test(`${JSON.stringify(text)} is shown as ${shown}`, () => {
    assert.equal(visibleText(text), shown);
    const parts = visibleParts(text, "plain");
    assert.equal(parts.map((part) => part.text).join(""), shown);
    assert.ok(parts.some((part) => part.className === "escape"));
  });
}

test("readable text of any script is left as it is", () => {
  for (const text of ["plain", "naïve", "שלום.txt", "文件", "😀", "a\\x41", "<img src=x>"]) {
    assert.equal(visibleText(text), text);
    assert.deepEqual(visibleParts(text), [{ text, className: "" }]);
  }
  assert.deepEqual(visibleParts(""), []);
});

test("a reason becomes a sentence", () => {
  assert.equal(sentence("the kernel refused: EPERM "), "The kernel refused: EPERM.");
  assert.equal(sentence("Is it running?"), "Is it running?");
  assert.equal(sentence("a\nb"), "A\\nb.");
});

test("a path is split so that its last name can be kept", () => {
  assert.deepEqual(splitPath("/a/b/c"), ["/a/b", "/c"]);
  assert.deepEqual(splitPath("/a/b/"), ["/a", "/b/"]);
  assert.deepEqual(splitPath("/"), ["", "/"]);
  assert.deepEqual(splitPath("name"), ["", "name"]);
  assert.deepEqual(splitPath(""), ["", ""]);
});

const column = (name, type, unit = null) => ({
  name,
  type,
  unit,
  key: `${name}:${type}`,
  names: name === "ret" || name === "errno" ? ERRORS : undefined,
});
const shown = (of, value) =>
  presentation(of)
    .parts(value)
    .map(({ text }) => text)
    .join("");

test("a column is shown by its type and unit, a few by name", () => {
  assert.equal(shown(column("pid", "uint32"), 123456), "123456");
  assert.equal(shown(column("bytes", "uint64"), 123456n), "123,456");
  assert.equal(shown(column("any", "uint64", "ns"), 1500n), "1.50 µs");
  assert.equal(shown(column("ret", "int64"), 0n), "0");
  assert.equal(shown(column("ret", "int64"), -13n), "EACCES");
  assert.equal(shown(column("ret", "int64"), -4000n), "−4,000");
  assert.equal(shown(column("dfd", "int32"), -100), "cwd");
  assert.equal(shown(column("filename", "text"), "/a/b\n"), "/a/b\\n");
  assert.match(presentation(column("ret", "int64")).hover(-2n), /-2 ENOENT: No such file/);
  assert.match(presentation(column("time", "timestamp_ns")).hover(1n), /00\.000000001Z/);
});

test("a name known for a number is not trusted for a text, nor the other way round", () => {
  assert.equal(shown(column("ret", "text"), "free\ntext"), "free\\ntext");
  assert.equal(shown(column("filename", "uint32"), 1234), "1,234");
  assert.equal(shown(column("constructor", "text"), "x"), "x");
  assert.equal(presentation(column("toString", "uint32")).numberOf, undefined);
});

test("the detail panel shows the exact value and says what it means", () => {
  const full = (of, value) =>
    presentation(of)
      .full(value)
      .map(({ text }) => text)
      .join("");
  const latency = column("any", "uint64", "ns");
  assert.equal(full(latency, 1_234_567n), "1,234,567 ns");
  assert.deepEqual(presentation(latency).notes(1_234_567n), ["1.23 ms"]);
  assert.deepEqual(presentation(latency).notes(12n), []);
  assert.equal(full(column("ret", "int64"), -2n), "−2");
  assert.deepEqual(presentation(column("ret", "int64")).notes(-2n), [
    "ENOENT: No such file or directory",
  ]);
  assert.deepEqual(presentation(column("errno", "text")).notes("EACCES"), ["Permission denied"]);
  assert.deepEqual(presentation(column("errno", "text")).notes("EOTHER"), []);
  assert.deepEqual(presentation(column("time", "timestamp_ns")).notes(1n), [
    "1970-01-01T00:00:00.000000001Z in UTC",
  ]);
  assert.match(
    full(column("time", "timestamp_ns"), 1_795_341_600_123_456_789n),
    /^2026-11-2\d \d\d:\d\d:00\.123456789 [+−]\d\d:\d\d$/,
  );
  assert.equal(full(column("filename", "text"), "/a\n"), "/a\\n");
  assert.deepEqual(presentation(column("dfd", "int32")).notes(-100), [
    "AT_FDCWD: the current directory",
  ]);
});

test("the five modes have colours of their own", () => {
  const modes = ["fentry", "fexit", "kprobe", "kretprobe", "tracepoint"];
  assert.equal(new Set(modes.map(hueClass)).size, modes.length);
});
