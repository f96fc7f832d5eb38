// SPDX-License-Identifier: Apache-2.0

// The filter's text: grammar, printing, quoting, edits, boxes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { boxOfTerm, testOfBox } from "../../../static/js/filter/boxes.js";
import {
  conjuncts,
  withoutTerms,
  withTerm,
  withTermReplaced,
} from "../../../static/js/filter/edits.js";
import { FilterError } from "../../../static/js/filter/fault.js";
import { FORMS, isKeyword, KEYWORDS, OPERATORS } from "../../../static/js/filter/operators.js";
import { parse } from "../../../static/js/filter/parse.js";
import { describe, print } from "../../../static/js/filter/print.js";
import { termOf, textOf, valueText, wordOf } from "../../../static/js/filter/terms.js";
import { tokenize } from "../../../static/js/filter/tokens.js";
import { visibleText } from "../../../static/js/format/text.js";
import { numbers } from "./batches.mjs";
import { CASES, COLUMNS, columnNamed, compiled, events, look, NAMES, passing } from "./filters.mjs";

/** A tree without positions, as nested lists. */
function shape(node) {
  if (node === null) return null;
  if (node.type === "word") return node.text;
  if (node.type === "term") return `${node.name} ${node.operator} ${node.value}`;
  if (node.type === "not") return ["not", shape(node.part)];
  return [node.type, ...node.parts.map(shape)];
}

const GRAMMAR = [
  ["", null],
  ["  ", null],
  ["rm", "rm"],
  ['RM "my file" x', ["and", "RM", "my file", "x"]],
  ["a or b c", ["or", "a", ["and", "b", "c"]]],
  ["a and b or c and d", ["or", ["and", "a", "b"], ["and", "c", "d"]]],
  ["(a or b) c", ["and", ["or", "a", "b"], "c"]],
  ["not a b", ["and", ["not", "a"], "b"]],
  ["Not Not a Or b", ["or", ["not", ["not", "a"]], "b"]],
  ["not(a b)", ["not", ["and", "a", "b"]]],
  ["a(b)c", ["and", "a", "b", "c"]],
  ["((a))", "a"],
  ["comm=rm", "comm = rm"],
  ["comm = rm", "comm = rm"],
  ["comm==rm", "comm = rm"],
  ["comm='rm'", "comm = rm"],
  ['comm="a \\"b\\" \\\\ c"', 'comm = a "b" \\ c'],
  ['x~"\\u{202e}\\n"', "x ~ \u202e\n"],
  [
    "a!=1 b!~2 c<=3 d>=4 e<5 f>6 g~7",
    ["and", "a != 1", "b !~ 2", "c <= 3", "d >= 4", "e < 5", "f > 6", "g ~ 7"],
  ],
  ["comm=and", "comm = and"],
  ['"and"', "and"],
  ["android nothing", ["and", "android", "nothing"]],
  ["/tmp/a=b", "/tmp/a=b"],
  ["c++ 50%", ["and", "c++", "50%"]],
  ["\\d", "\\d"],
  ["latency>1 ms", "latency > 1ms"],
  ["pid=1 .. ms", ["and", "pid = 1..", "ms"]],
  ["comm=5 ms", ["and", "comm = 5", "ms"]],
  ["pid=5 ms", ["and", "pid = 5", "ms"]],
  ["latency=1 ms .. 2 ms", "latency = 1ms..2ms"],
  ["a||b&&!c", ["or", "a", ["and", "b", ["not", "c"]]]],
  ["comm in (a, 'b c')", ["or", "comm = a", "comm = b c"]],
  ["comm not in a,b", ["not", ["or", "comm = a", "comm = b"]]],
  ["nope in a,b", ["and", "nope", "in", "a,b"]],
  ["nope:a", "nope:a"],
  ["'tis 'a b'", ["and", "'tis", "a b"]],
];

for (const [text, expected] of GRAMMAR) {
  test(`${text} is read as ${JSON.stringify(expected)}`, () =>
    assert.deepEqual(shape(parse(text, NAMES)), expected));
}

test("a quoted number takes no unit from the word behind it", () => {
  assert.deepEqual(shape(parse('pid="1" ms')), ["and", "pid = 1", "ms"]);
});

test("nodes know their place, with their parentheses", () => {
  const text = ' a ( b or comm = "x y" )  not c';
  const { parts } = parse(text);
  assert.deepEqual(
    parts.map((node) => text.slice(node.start, node.end)),
    ["a", '( b or comm = "x y" )', "not c"],
  );
  const term = parts[1].parts[1];
  assert.deepEqual(
    [text.slice(term.start, term.nameEnd), text.slice(term.valueStart, term.end)],
    ["comm", '"x y"'],
  );
});

const HOSTILE = [
  "rm",
  "",
  " ",
  "my file",
  '"',
  "\\",
  '\\"',
  "a\\b",
  "(sd-pam)",
  "and",
  "NOT",
  "or",
  "=x",
  "==",
  "!~",
  "<b>",
  "~",
  "comm=rm",
  "a\nb\r\tc",
  "\u202egnp.exe",
  "\u0000\u001b[31m",
  "\ufeffx",
  "x\u00a0y",
  "\u3000",
  "\ud800",
  "😀",
  "*",
  "?",
  "\\*",
  "..",
  "1ms",
  "''",
  "<img src=x onerror=\"document.title='owned'\">",
  "é",
  "ms",
  "a\u2028b",
  "\u{e0041}",
  "−2",
  "kworker/0:1-ev",
];

for (const text of HOSTILE) {
  test(`${JSON.stringify(text)} comes back from its quotes`, () => {
    assert.deepEqual(shape(parse(`comm=${textOf(text)}`)), `comm = ${text}`);
    if (text !== "") assert.deepEqual(shape(parse(wordOf(text))), text);
    assert.deepEqual(shape(parse(`a ${wordOf(text)} b=${textOf(text)} c`)), [
      "and",
      "a",
      text,
      `b = ${text}`,
      "c",
    ]);
    for (const written of [textOf(text), wordOf(text)]) {
      assert.equal(visibleText(written), written, "what is written hides nothing");
      assert.ok(!/[\r\n]/.test(written), "a field of one line holds it");
    }
  });
}

test("what needs no quotes gets none", () => {
  for (const text of ["rm", "/tmp/a.log", "a\\b", "kworker/0:1", "x=y", "10..20"])
    assert.equal(textOf(text), text);
  assert.equal(wordOf("/tmp/x=y"), "/tmp/x=y");
});

/** Random texts that are filters more often than not. */
function* texts(seed) {
  const random = numbers(seed);
  const pick = (list) => list[(random.next().value >>> 8) % list.length];
  const pieces = [
    "a",
    "comm=rm",
    "pid>5",
    " and ",
    " or ",
    "not ",
    "(",
    ")",
    '"x y"',
    " ",
    "=",
    '"',
    "~",
    "ret<0",
    "and",
    "!",
    "\\",
    'b="\\""',
    "ms",
    "1",
  ];
  for (;;)
    yield Array.from({ length: 1 + ((random.next().value >>> 8) % 9) }, () => pick(pieces)).join(
      "",
    );
}

test("what is printed reads as what was read; and whatever is typed is read or has a fault within it", () => {
  const source = texts(3);
  let read = 0;
  for (let i = 0; i < 20_000; i++) {
    const text = source.next().value;
    let tree;
    try {
      tree = parse(text);
    } catch (error) {
      assert.ok(error instanceof FilterError, text);
      assert.ok(error.start >= 0 && error.start < error.end && error.end <= text.length, text);
      continue;
    }
    read++;
    assert.deepEqual(shape(parse(print(tree))), shape(tree), text);
    assert.equal(print(parse(print(tree))), print(tree));
  }
  assert.ok(read > 3000 && read < 19_000, `${read}`);
});

test("tokens cover the text in order, whatever it is", () => {
  const source = texts(11);
  for (let i = 0; i < 5000; i++) {
    const text = source.next().value;
    let end = 0;
    for (const token of tokenize(text)) {
      assert.ok(token.start >= end && token.end > token.start && token.end <= text.length, text);
      end = token.end;
    }
  }
});

const read = (text) => ({ text, tree: parse(text) });

test("one more test is joined so that all must hold", () => {
  assert.equal(withTerm(read(""), "pid=1"), "pid=1");
  assert.equal(withTerm(read("a b "), "pid=1"), "a b and pid=1");
  assert.equal(withTerm(read("a or b"), "pid=1"), "(a or b) and pid=1");
  assert.equal(withTerm(read("(a or b)"), "pid=1"), "(a or b) and pid=1");
  assert.equal(withTerm(read("not a"), "pid=1"), "not a and pid=1");
});

const REMOVALS = [
  ["a", [0], ""],
  ["a b c", [1], "a and c"],
  ["a b c", [0], "b c"],
  ["a and b  c", [2], "a and b"],
  ["a (b or c) d", [1], "a and d"],
  ["(a or b) and c", [1], "(a or b)"],
  ["(a b) c", [1], "(a b)"],
  ["a or b", [0], ""],
  ["a b c d", [1, 2], "a and d"],
  ["a b c d", [0, 3], "b c"],
];

for (const [text, removed, expected] of REMOVALS) {
  test(`${text} without its parts ${removed} is ${expected || "nothing"}`, () => {
    const filter = read(text);
    const all = conjuncts(filter.tree);
    const left = withoutTerms(
      filter,
      removed.map((i) => all[i]),
    );
    assert.equal(left, expected);
    assert.equal(conjuncts(parse(left)).length, all.length - removed.length);
  });
}

test("a test is replaced where it stands", () => {
  const filter = read("a comm=rm b");
  assert.equal(withTermReplaced(filter, conjuncts(filter.tree)[1], "comm=git"), "a comm=git b");
});

test("a test is written as the language has it", () => {
  const written = (name, operator, value) =>
    termOf({ operator, value }, columnNamed(name), NAMES, look(columnNamed(name)));
  assert.equal(written("comm", "=", "rm"), "comm=rm");
  assert.equal(written("comm", "!=", "a b"), 'comm!="a b"');
  assert.equal(written("pid", "=", 12), "pid=12");
  assert.equal(written("ret", "=", -2n), "ret=ENOENT");
  assert.equal(written("ret", "<", 0), "ret<0");
  assert.equal(written("ret", "=", -4000n), "ret=-4000");
  assert.equal(written("latency_ns", ">=", 1234n), "latency>=1234ns");
  assert.equal(
    written("time", ">=", 1_795_341_600_123_456_789n),
    "time>=2026-11-22T10:00:00.123456789Z",
  );
});

test("every test written for a row lets that row through", () => {
  const store = events();
  for (const known of COLUMNS) {
    const column = store.columns.all.find(({ key }) => key === known.key);
    for (let row = 0; row < 5; row++) {
      if (!column || store.stateAt(row, column.key) !== 2) continue;
      const value = store.valueAt(row, column.key);
      const term = (operator) => termOf({ operator, value }, known, NAMES, look(known));
      assert.ok(passing(store, term("=")).includes(row), term("="));
      assert.ok(!passing(store, term("!=")).includes(row), term("!="));
    }
  }
});

const BOXES = [
  // column, typed in its box, the test in the bar, what the box then shows
  ["comm", "rm", "~*rm*", "rm"],
  ["comm", " rm ", "~*rm*", "rm"],
  ["comm", "=rm", "=rm", "=rm"],
  ["comm", "!= rm", "!=rm", "!=rm"],
  ["comm", "!~r*", "!~r*", "!~r*"],
  ["comm", "~rm", "~rm", "~rm"],
  ["filename", "*.log", "~*.log", "*.log"],
  ["filename", "my file", '~"*my file*"', "my file"],
  ["filename", '" x"', '~"* x*"', '" x"'],
  ["filename", '"=x"', "~*=x*", '"=x"'],
  ["filename", "a\\xff", "~*a\\xff*", "a\\xff"],
  ["filename", "a\\", "~*a\\\\*", "a\\\\"],
  ["filename", "a\\*b", "~*a\\*b*", "a\\*b"],
  ["filename", 'say "x"', '~"*say \\"x\\"*"', 'say "x"'],
  ["filename", '=""', '=""', '=""'],
  ["filename", "(x)", '~"*(x)*"', "(x)"],
  ["pid", "12", "=12", "12"],
  ["pid", "= 12", "=12", "12"],
  ["pid", "==12", "=12", "12"],
  ["pid", "1 .. 5", "=1..5", "1..5"],
  ["pid", ">= 5", ">=5", ">=5"],
  ["pid", "1 000", "=1000", "1000"],
  ["latency_ns", ">1 ms", ">1ms", ">1ms"],
  ["ret", "!=ENOENT", "!=ENOENT", "!=ENOENT"],
  ["time", "10:15 .. 10:20", "=10:15..10:20", "10:15..10:20"],
  ["time", ">2026-11-22 10:15", '>"2026-11-22 10:15"', ">2026-11-22 10:15"],
];

for (const [name, typed, expected, shown] of BOXES) {
  test(`${typed} in the box of ${name} is ${name}${expected}`, () => {
    const column = columnNamed(name);
    assert.equal(testOfBox(column, typed), expected);
    assert.deepEqual(compiled(`${name}${expected}`).faults, []);
    const term = parse(`${name}${expected}`);
    assert.equal(boxOfTerm(column, term), shown);
    assert.equal(testOfBox(column, shown), expected);
  });
}

test("an empty box is no test, and an operator alone is a fault", () => {
  assert.equal(testOfBox(columnNamed("comm"), "  "), null);
  assert.throws(() => testOfBox(columnNamed("comm"), "!="), /missing value after !=/);
  assert.throws(() => testOfBox(columnNamed("pid"), ">"), FilterError);
  assert.throws(() => testOfBox(columnNamed("comm"), '"open'), /closing quote/);
});

test("a box shows any text's test so that it stays that test", () => {
  const column = columnNamed("filename");
  for (const value of HOSTILE) {
    for (const operator of ["=", "!=", "~", "!~"]) {
      const shown = boxOfTerm(column, { operator, value });
      assert.equal(
        testOfBox(column, shown),
        `${operator}${valueText(operator, value)}`,
        `${operator} ${JSON.stringify(value)} as ${shown}`,
      );
      assert.equal(visibleText(shown), shown);
    }
  }
});

test("tests are described in words", () => {
  const words = (text) => describe(parse(text), NAMES, text);
  assert.equal(words("rm"), "Any text contains rm");
  assert.equal(words("comm=rm"), "Thread is rm");
  assert.equal(words("latency>1ms"), "Latency is greater than 1ms");
  assert.equal(words('comm=""'), "Thread is empty");
  assert.equal(words('file~"\\u{202e}*"'), "File matches U+202E*");
  assert.equal(words("a or b"), "a or b");
});

test("the table of operators holds together", () => {
  for (const { symbol, negates, example, help, kinds } of OPERATORS) {
    assert.ok(help && kinds.length > 0);
    assert.deepEqual(compiled(example).faults, [], example);
    assert.ok(example.includes(symbol));
    if (negates) assert.ok(OPERATORS.some((other) => other.symbol === negates && !other.negates));
    assert.equal(shape(parse(`x${symbol}5`)), `x ${symbol} 5`);
  }
  for (const { example } of [...KEYWORDS, ...FORMS])
    assert.deepEqual(compiled(example).faults, [], example);
  assert.ok(isKeyword("And") && !isKeyword("android"));
});

test("docs/filters.md has every operator, word and form, with its example, and no other operator", () => {
  const page = readFileSync(new URL("../../../docs/filters.md", import.meta.url), "utf8");
  const lines = page.split("\n");
  const documented = (name, example) =>
    lines.some((line) => line.startsWith(`| ${name} |`) && line.endsWith(`| \`${example}\` |`));
  for (const { symbol, example } of OPERATORS)
    assert.ok(documented(`\`${symbol}\``, example), symbol);
  for (const { word, example } of KEYWORDS) assert.ok(documented(`\`${word}\``, example), word);
  for (const { form, example } of FORMS) assert.ok(documented(form, example), form);
  const symbols = page
    .split("| operator |")[1]
    .split("\n\n")[0]
    .match(/^\| `[^`]+` \|/gm);
  assert.equal(symbols.length, OPERATORS.length);
});

test("every filter of docs/filters.md is one", () => {
  const page = readFileSync(new URL("../../../docs/filters.md", import.meta.url), "utf8");
  const filters = page
    .match(/(?<=`)[a-z]+(?:!?[=~]|[<>]=?)[^`…]+(?=`)/g)
    .filter((text) => !/^(?:a!?=b)/.test(text))
    .filter((text) => !CASES.faults.some(({ filter }) => filter === text));
  assert.ok(filters.length > 15);
  for (const text of filters) assert.deepEqual(compiled(text).faults, [], text);
});
