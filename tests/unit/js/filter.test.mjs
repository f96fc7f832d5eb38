// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { EventStore } from "../../../static/js/data/store.js";
import { ColumnNames } from "../../../static/js/filter/column_names.js";
import { compileFilter, EVERYTHING } from "../../../static/js/filter/compile.js";
import { FilterError } from "../../../static/js/filter/fault.js";
import { escapeGlob, globMatcher } from "../../../static/js/filter/glob.js";
import { parseIntervals } from "../../../static/js/filter/interval.js";
import { numberLiteral, timeLiteral } from "../../../static/js/filter/literals.js";
import { batchOf, numbers } from "./batches.mjs";
import { COLUMNS, compiled, ERRORS, events, look, NAMES, passing } from "./filters.mjs";

const INTERVALS = [
  ["=", "5", 5n, 5n],
  ["<", "5", null, 4n],
  ["<=", "5", null, 5n],
  [">", "5", 6n, null],
  [">=", "5", 5n, null],
  ["=", "1..5", 1n, 5n],
  ["=", "1 .. 5", 1n, 5n],
  ["=", "..5", null, 5n],
  ["=", "5..", 5n, null],
  ["=", "-5..-2", -5n, -2n],
  ["=", "1,000", 1000n, 1000n],
  ["=", "2.5..3.5", 3n, 3n],
  ["<", "2.5", null, 2n],
  [">", "2.5", 3n, null],
  ["=", "2.5", 3n, 2n], // nothing
  ["=", "−2", -2n, -2n], // the minus sign that the table shows
  ["=", "9007199254740993", 9007199254740993n, 9007199254740993n],
];

for (const [operator, text, low, high] of INTERVALS) {
  test(`${operator}${text} is from ${low} to ${high}`, () => {
    assert.deepEqual(parseIntervals(operator, text, numberLiteral(null)), [{ low, high }]);
  });
}

const LATENCIES = [
  [">", "1ms", 1_000_001n, null],
  [">=", "1.5ms", 1_500_000n, null],
  ["<", "2us", null, 1_999n],
  ["<", "2µs", null, 1_999n],
  ["<", "2μs", null, 1_999n],
  ["=", "1s..2s", 1_000_000_000n, 2_000_000_000n],
  [">", "0.5ns", 1n, null],
  ["=", "250", 250n, 250n],
];

for (const [operator, text, low, high] of LATENCIES) {
  test(`${operator}${text} is understood for latencies`, () => {
    assert.deepEqual(parseIntervals(operator, text, numberLiteral("ns")), [{ low, high }]);
  });
}

const ROUNDED = [
  // literal, first and last that = lets through
  ["16.002s", 16_001_500_000n, 16_002_500_000n],
  ["16s", 15_500_000_000n, 16_500_000_000n],
  ["1.20 ms", 1_195_000n, 1_205_000n],
  ["1.2ms", 1_150_000n, 1_250_000n],
  ["1ns", 1n, 1n],
  ["0.1us", 50n, 150n],
  ["1.0000001us", 1001n, 1000n], // no whole number
  ["1234", 1234n, 1234n],
  ["2.5", 3n, 2n], // no whole number
  ["-2.5", -2n, -3n],
  ["18,446,744,073,709,551,615ns", 2n ** 64n - 1n, 2n ** 64n - 1n],
  ["9007199254.740993s", 9007199254740992500n, 9007199254740993500n],
];

for (const [literal, first, last] of ROUNDED) {
  test(`= ${literal} is from ${first} to ${last}`, () => {
    const [found] = numberLiteral("ns")(literal);
    assert.deepEqual([found.first, found.last], [first, last]);
  });
}

test("names stand for numbers where the column has names, as typed and in capitals", () => {
  assert.deepEqual(
    parseIntervals(
      "=",
      "enoent",
      numberLiteral(null, (name) => ERRORS.valueOf(name)),
    ),
    [{ low: -2n, high: -2n }],
  );
  const users = (name) => ({ alice: 1000 })[name];
  assert.deepEqual(parseIntervals("=", "alice", numberLiteral(null, users)), [
    { low: 1000n, high: 1000n },
  ]);
});

const FAULTY_VALUES = [
  ["=", "abc", null, /“abc” is not a number$/],
  ["=", "..", null, /needs a value before or after/],
  ["=", "5..1", null, /5 is greater than 1/],
  ["=", "1..x", null, /“x” is not a number/],
  [">", "1..5", null, /“1..5” is a range, which works with =/],
  ["=", "1ms", null, /this column has no unit/],
  ["=", "1h", "ns", /“h” is not a unit/],
  ["=", "1,00", null, /“1,00” is not a number/],
  ["=", "1 2", null, /is not a number/],
  ["=", "9".repeat(5000), null, /is not a number/],
];

for (const [operator, text, unit, message] of FAULTY_VALUES) {
  test(`${operator}${text.slice(0, 20)} is refused with a reason`, () => {
    assert.throws(
      () => parseIntervals(operator, text, numberLiteral(unit)),
      (error) => {
        assert.ok(error instanceof FilterError);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

const NOON = new Date(2026, 10, 22, 12, 0, 0);
const at = (hour, minute, second, ns = 0) =>
  BigInt(new Date(2026, 10, 22, hour, minute, second).getTime()) * 1_000_000n + BigInt(ns);

/** The one stretch of time that a literal stands for. */
const stretch = (read) => (literal) => {
  const [{ first, last }, ...others] = read(literal);
  assert.equal(others.length, 0);
  return [first, last];
};

test("a time stands for its whole minute, second or fraction", () => {
  const literal = timeLiteral(() => NOON);
  const read = stretch(literal);
  assert.deepEqual(read("10:15"), [at(10, 15, 0), at(10, 16, 0) - 1n]);
  assert.deepEqual(read("9:15"), [at(9, 15, 0), at(9, 16, 0) - 1n]);
  assert.deepEqual(read("10:15:20"), [at(10, 15, 20), at(10, 15, 21) - 1n]);
  assert.deepEqual(read("10:15:20.5"), [at(10, 15, 20, 500_000_000), at(10, 15, 20, 599_999_999)]);
  assert.deepEqual(read("10:15:20.123456789"), [
    at(10, 15, 20, 123456789),
    at(10, 15, 20, 123456789),
  ]);
  assert.deepEqual(parseIntervals("=", "10:15..10:16", literal), [
    { low: at(10, 15, 0), high: at(10, 17, 0) - 1n },
  ]);
  const interval = (operator) => parseIntervals(operator, "10:15", literal)[0];
  assert.deepEqual(interval(">"), { low: at(10, 15, 0) + 1n, high: null });
  assert.deepEqual(interval(">="), { low: at(10, 15, 0), high: null });
  assert.deepEqual(interval("<"), { low: null, high: at(10, 15, 0) - 1n });
  assert.deepEqual(interval("<="), { low: null, high: at(10, 16, 0) - 1n });
  for (const wrong of ["10", "25:00", "10:61", "10:15:60", "noon", "2026-13-01T10:00"]) {
    assert.throws(() => read(wrong), FilterError, wrong);
  }
});

test("a date and UTC make a time clear to a colleague", () => {
  const read = stretch(timeLiteral(() => NOON));
  const [first] = read("2026-11-22T10:00:00.123456789Z");
  assert.equal(first, 1_795_341_600_123_456_789n);
  assert.deepEqual(read("2026-11-22T10:15"), read("10:15"));
  assert.deepEqual(read("2026-11-22 10:15"), read("10:15"));
});

/** With the clocks of a place. */
function atPlace(zone, run) {
  const before = process.env.TZ;
  process.env.TZ = zone;
  try {
    run();
  } finally {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  }
}

const ns = (utc) => BigInt(Date.parse(utc)) * 1_000_000n;

test("a time that the clocks skip is invalid, and one that they repeat matches both", () => {
  atPlace("Europe/Berlin", () => {
    const read = timeLiteral();
    assert.throws(() => read("2026-03-29T02:30"), /the clocks skipped it/);
    assert.equal(read("2026-03-29T03:00")[0].first, ns("2026-03-29T01:00:00Z"));
    const repeated = parseIntervals("=", "2026-10-25T02:30", read);
    assert.deepEqual(repeated, [
      { low: ns("2026-10-25T00:30:00Z"), high: ns("2026-10-25T00:31:00Z") - 1n },
      { low: ns("2026-10-25T01:30:00Z"), high: ns("2026-10-25T01:31:00Z") - 1n },
    ]);
    const interval = (operator) => parseIntervals(operator, "2026-10-25T02:30", read)[0];
    assert.equal(interval(">=").low, repeated[0].low);
    assert.equal(interval("<").high, repeated[0].low - 1n);
    assert.equal(interval("<=").high, repeated[1].high);
    assert.equal(
      parseIntervals("=", "2026-10-25T02:30..2026-10-25T02:30", read)[0].high,
      repeated[1].high,
    );
  });
  atPlace("Australia/Lord_Howe", () => {
    // Half an hour: 02:00 to 02:30 are skipped, 01:30 to 02:00 come twice.
    const read = timeLiteral();
    assert.throws(() => read("2026-10-04T02:15"), FilterError);
    assert.equal(read("2026-10-04T02:30").length, 1);
    assert.equal(read("2026-04-05T01:45").length, 2);
    assert.equal(read("2026-04-05T02:00").length, 1);
  });
});

test("today is the day of the zone that is named", () => {
  atPlace("UTC", () => {
    const read = timeLiteral(() => new Date("2026-11-22T23:30:00Z"));
    assert.equal(read("00:10+01:00")[0].first, ns("2026-11-22T23:10:00Z"));
    assert.equal(read("23:10Z")[0].first, ns("2026-11-22T23:10:00Z"));
    assert.equal(read("23:10")[0].first, ns("2026-11-22T23:10:00Z"));
  });
});

test("each day there is can be named, and no other", () => {
  const read = timeLiteral();
  for (const year of [1970, 1999, 2000, 2023, 2024, 2100]) {
    for (let month = 0; month <= 13; month++) {
      for (let day = 0; day <= 32; day++) {
        const two = (value) => String(value).padStart(2, "0");
        const date = `${year}-${two(month)}-${two(day)}`;
        const made = new Date(Date.UTC(year, month - 1, day));
        const exists = made.getUTCMonth() === month - 1 && made.getUTCDate() === day;
        if (exists) assert.equal(read(`${date}T12:00Z`)[0].first, ns(`${date}T12:00:00Z`));
        else assert.throws(() => read(`${date}T12:00Z`), FilterError, date);
      }
    }
  }
});

const GLOBS = [
  ["*.log", ["a.log", ".LOG", "/x/y.log"], ["a.log2", "log"]],
  ["a*", ["a", "Abc"], ["ba", ""]],
  ["*b*", ["b", "aBc"], ["ac", ""]],
  ["a*b*c", ["abc", "a1b2c", "aXbbc"], ["ab", "acb", "abcd"]],
  ["ab*ba", ["abba", "abxba"], ["aba"]], // the ends may not share a letter
  ["a?c", ["abc", "a?c", "A😀C"], ["ac", "abbc"]],
  ["?*?", ["ab", "abc"], ["a", ""]],
  ["*a?*c", ["abc", "xxaYzc", "aac"], ["ac", "abd"]],
  ["", [""], ["a"]],
  ["*", ["", "anything\nat all"], []],
  ["**", ["", "x"], []],
  ["a\\*b", ["a*b"], ["axb", "a\\*b"]],
  ["a\\?", ["a?"], ["ab"]],
  ["\\\\*", ["\\", "\\x"], ["x"]],
  ["a\\xff*", ["a\\xff", "A\\xFFz"], ["axff"]],
  ["Ä*", ["ä", "Äb"], ["a"]],
];

for (const [pattern, fitting, others] of GLOBS) {
  test(`the pattern ${pattern} fits ${JSON.stringify(fitting)}`, () => {
    const fits = globMatcher(pattern);
    for (const text of fitting) assert.ok(fits(text), text);
    for (const text of others) assert.ok(!fits(text), text);
  });
}

test("patterns agree with a matcher that tries everything", () => {
  const tried = (pattern, text) => {
    if (pattern === "") return text === "";
    if (pattern[0] === "*")
      return tried(pattern.slice(1), text) || (text !== "" && tried(pattern, text.slice(1)));
    return (
      text !== "" &&
      (pattern[0] === "?" || pattern[0] === text[0]) &&
      tried(pattern.slice(1), text.slice(1))
    );
  };
  const random = numbers(7);
  const word = (letters, most) =>
    Array.from(
      { length: (random.next().value >>> 8) % most },
      () => letters[(random.next().value >>> 8) % letters.length],
    ).join("");
  let fitted = 0;
  for (let i = 0; i < 5000; i++) {
    const [pattern, text] = [word("ab*?", 7), word("ab", 8)];
    assert.equal(globMatcher(pattern)(text), tried(pattern, text), `${pattern} ${text}`);
    if (tried(pattern, text)) fitted++;
  }
  assert.ok(fitted > 300 && fitted < 4700);
});

test("many stars cost no more than a look for each", () => {
  assert.ok(!globMatcher(`${"*a".repeat(40)}*b?`)("a".repeat(4095)));
});

test("an escaped text is the pattern that only it fits", () => {
  for (const text of ["*", "a?b", "\\", "\\*", "a\\\\?", "x"]) {
    const fits = globMatcher(escapeGlob(text));
    assert.ok(fits(text));
    assert.ok(!fits(`${text}x`) && !fits(`${text.replace("*", "y").replace("?", "z")}q`));
  }
});

test("time is compared as all numbers are", () => {
  const store = new EventStore();
  const noon = new Date();
  noon.setHours(12, 0, 0, 0);
  const ns = BigInt(noon.getTime()) * 1_000_000n;
  store.append(batchOf({ time: ["timestamp_ns", [ns - 1n, ns, ns + 60_000_000_000n]] }));
  assert.deepEqual(passing(store, "time>=12:00"), [1, 2]);
  assert.deepEqual(passing(store, "time=12:00"), [1]);
  assert.deepEqual(passing(store, "time!=12:00"), [0, 2]);
});

test("64-bit numbers are compared exactly, over the whole range and on both sides of zero", () => {
  const signed = [
    -(2n ** 63n),
    -(2n ** 32n) - 1n,
    -(2n ** 32n),
    -1n,
    0n,
    1n,
    2n ** 32n,
    2n ** 53n + 1n,
    2n ** 63n - 1n,
  ];
  const unsigned = [0n, 1n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];
  for (const [name, type, values] of [
    ["ret", "int64", signed],
    ["latency_ns", "uint64", unsigned],
  ]) {
    const store = new EventStore();
    store.append(batchOf({ [name]: [type, values] }));
    for (const bound of values) {
      const rows = (holds) => values.flatMap((value, row) => (holds(value) ? [row] : []));
      assert.deepEqual(
        passing(store, `${name}>=${bound}`),
        rows((value) => value >= bound),
      );
      assert.deepEqual(
        passing(store, `${name}<${bound}`),
        rows((value) => value < bound),
      );
      assert.deepEqual(
        passing(store, `${name}=${bound}`),
        rows((value) => value === bound),
      );
      assert.deepEqual(
        passing(store, `${name}!=${bound}`),
        rows((value) => value !== bound),
      );
    }
  }
});

test("a part of a chunk is tested as the whole is", () => {
  const store = events();
  const { select } = compiled("comm=rm or ret<0");
  store.scan(2, 4, (chunk, start, stop) =>
    assert.deepEqual([...select(chunk, start, stop)], [0, 1]),
  );
});

test("one name with two types means both columns", () => {
  const store = new EventStore();
  store.append(batchOf({ arg: ["uint32", [7, 8]] }));
  store.append(batchOf({ arg: ["text", ["7", "x"]] }, { probe: "other" }));
  const columns = ["uint32", "text"].map((type) => ({
    key: `arg:${type}`,
    name: "arg",
    type,
    title: "arg",
    unit: null,
  }));
  const names = new ColumnNames(columns);
  const rows = (text) => {
    const { select, faults } = compileFilter(text, names, look);
    assert.deepEqual(faults, []);
    const found = [];
    store.scan(0, 4, (chunk, start, stop, base) => {
      for (const [i, passed] of select(chunk, start, stop).entries())
        if (passed) found.push(base + start + i);
    });
    return found;
  };
  assert.deepEqual(rows("arg=7"), [0, 2]);
  assert.deepEqual(rows("arg=x"), [3]);
  assert.deepEqual(rows("arg<8"), [0]);
  assert.deepEqual(rows("arg!=7"), [1, 3]);
});

test("no filter has no test to run", () => {
  assert.equal(compiled(" ").select, EVERYTHING.select);
  assert.equal(compiled(" ").active, false);
});

const FAULTS = [
  // text, what the message says, the part of the text that is wrong
  ["comm=", /missing value after =/, "comm="],
  ["rm and comm =", /missing value after =/, "comm ="],
  ["comm= and pid=1", /missing value after =/, "comm="],
  ["comm=(sd-pam)", /quote a text that contains parentheses/, "comm="],
  ["=5", /missing column before =/, "=5"],
  ["/x <img", /missing column before </, "<img"],
  ["(rm", /missing closing parenthesis/, "("],
  ["rm)", /unmatched closing parenthesis/, ")"],
  [")", /unmatched closing parenthesis/, ")"],
  ["rm ()", /the parentheses are empty/, "()"],
  ["rm and", /missing test after “and”/, "and"],
  ["not", /missing test after “not”/, "not"],
  ["or rm", /“or” joins two tests/, "or"],
  ["rm and or git", /“or” joins two tests/, "or"],
  ['"open', /missing closing quote/, '"open'],
  ['"a"b', /missing space after the closing quote/, '"a"'],
  ['comm=a"b"', /quote the whole text/, "a"],
  ['"a\\d"', /write a backslash as/, "\\d"],
  ['"a\\u{110000}"', /write a backslash as/, "\\u"],
  ["filenam=x", /no column “filenam”; did you mean filename\?/, "filenam"],
  ["pidd=1", /did you mean pid\?/, "pidd"],
  ["late>1ms", /did you mean latency\?/, "late"],
  ["zzzzzz=1", /no column “zzzzzz”; quote it to search for the text/, "zzzzzz"],
  ["rm pid=abc", /“abc” is not a number/, "abc"],
  ["latency>1h", /“h” is not a unit/, "1h"],
  ["uid=nobody", /“nobody” is not a number or a known name/, "nobody"],
  ["comm<5", /< compares numbers, but Thread is text/, "comm<5"],
  ["pid~1*", /~ is for text, but PID is a number/, "pid~1*"],
  ["time>=soon", /“soon” is not a time/, "soon"],
  [`${"(".repeat(100)}rm`, /nested too deeply/, "("],
  [`${"not ".repeat(100)}rm`, /nested too deeply/, "not"],
];

for (const [text, message, part] of FAULTS) {
  test(`the fault of ${text.slice(0, 30)} is told with its place`, () => {
    const { faults, active, select } = compiled(text);
    assert.equal(faults.length, 1);
    assert.match(faults[0].message, message);
    assert.equal(text.slice(faults[0].start, faults[0].end), part);
    assert.equal(active, false);
    assert.equal(select(), null);
  });
}

test("every column and value that is wrong is told, not only the first", () => {
  const { faults } = compiled("pid=x and (nope=1 or comm=rm)");
  assert.deepEqual(
    faults.map(({ start, end }) => [start, end]),
    [
      [4, 5],
      [11, 15],
    ],
  );
});

test("a text too long is refused before it costs anything", () => {
  assert.match(compiled("x ".repeat(20_000)).faults[0].message, /longer than 20000 characters/);
});

test("a name is a column's name, its name without the unit, or its title; never one of two", () => {
  const key = (name) => NAMES.find(name).map((column) => column.key);
  assert.deepEqual(key("latency"), ["latency_ns:uint64"]);
  assert.deepEqual(key("Latency_NS"), ["latency_ns:uint64"]);
  assert.deepEqual(key("dirfd"), ["dfd:int32"]);
  assert.deepEqual(key("nothing"), []);
  const column = (name, title, unit = null) => ({ key: name, name, type: "uint64", title, unit });
  const names = new ColumnNames([
    column("wait_ns", "Wait", "ns"),
    column("wait_us", "Wait", "us"),
    column("size", "Wait"),
  ]);
  assert.deepEqual(names.find("wait"), []);
  assert.equal(names.shortName(names.find("wait_ns")[0]), "wait_ns");
  assert.equal(NAMES.shortName(NAMES.find("latency")[0]), "latency");
  assert.equal(NAMES.find("COMM")[0], COLUMNS[5]);
});
