// SPDX-License-Identifier: Apache-2.0

// How the page uses the filter: its state, completion, history, and what moves into the kernel.

import assert from "node:assert/strict";
import { test } from "node:test";

import { columnKey } from "../../../static/js/data/columns.js";
import { ColumnNames } from "../../../static/js/filter/column_names.js";
import { compileFilter } from "../../../static/js/filter/compile.js";
import { complete } from "../../../static/js/filter/complete.js";
import { conjuncts } from "../../../static/js/filter/edits.js";
import { History } from "../../../static/js/filter/history.js";
import { kernelPart, kernelTests, planMove } from "../../../static/js/filter/kernel.js";
import { offersOf } from "../../../static/js/filter/offers.js";
import { FilterState } from "../../../static/js/filter/state.js";
import { NO_NAMES, ValueNames } from "../../../static/js/format/value_names.js";
import { batchOf } from "./batches.mjs";
import { COLUMNS, columnNamed, compiled, events, look, NAMES } from "./filters.mjs";

function stateOf(text = "") {
  const state = new FilterState(look);
  state.know(COLUMNS);
  state.type(text);
  return state;
}

test("while a text has a fault, the last one without stays in force", () => {
  const state = stateOf("comm=rm");
  state.type("comm=rm pid=");
  assert.equal(state.valid.text, "comm=rm");
  assert.equal(state.faults.length, 1);
  state.type("comm=rm pid=1");
  assert.equal(state.valid.text, "comm=rm pid=1");
  assert.deepEqual(state.faults, []);
});

test("a word that turns out to be the beginning of a test is no longer looked for", () => {
  const state = stateOf();
  const inForce = [];
  for (const text of ["rm", "rm p", "rm pid", "rm pid>", "rm pid>1"]) {
    state.type(text);
    inForce.push(state.valid.text);
  }
  assert.deepEqual(inForce, ["rm", "rm p", "rm pid", "rm", "rm pid>1"]);
  state.type("rm x");
  state.type("rm x (");
  assert.equal(state.valid.text, "rm x");
});

test("a change is told, and whether other rows may pass", () => {
  const state = stateOf();
  const told = [];
  state.onChange((isNew) => told.push(isNew));
  for (const text of ["rm", "rm ", "rm  and", "rm x", "rm and x", ""]) state.type(text);
  assert.deepEqual(told, [true, false, false, true, false, true]);
});

test("before the columns are known no name is a fault; then the text counts", () => {
  const state = new FilterState(look);
  state.type("comm=rm");
  assert.deepEqual(state.faults, []);
  assert.equal(state.valid.active, false);
  const told = [];
  state.onChange((isNew) => told.push(isNew));
  state.know(COLUMNS);
  assert.equal(state.valid.text, "comm=rm");
  assert.deepEqual(told, [true]);
});

const NARROWED = [
  ["", { name: "comm", operator: "=", value: "rm" }, "comm=rm"],
  ["x", { name: "comm", operator: "=", value: "a b" }, 'x and comm="a b"'],
  ["comm=rm x", { name: "comm", operator: "=", value: "git" }, "comm=git x"],
  ["comm=rm x", { name: "comm", operator: "=", value: "rm" }, "comm=rm x"],
  ["thread=rm", { name: "comm", operator: "=", value: "rm" }, "thread=rm"],
  ["comm=rm", { name: "comm", operator: "!=", value: "rm" }, "comm!=rm"],
  ["comm!=rm", { name: "comm", operator: "=", value: "rm" }, "comm=rm"],
  ["comm!=rm", { name: "comm", operator: "!=", value: "git" }, "comm!=rm and comm!=git"],
  ["comm!=rm", { name: "comm", operator: "!=", value: "rm" }, "comm!=rm"],
  ["a or b", { name: "ret", operator: "<", value: 0 }, "(a or b) and ret<0"],
  ["a", { name: "latency_ns", operator: ">", value: 1000n }, "a and latency>1000ns"],
  ["ret=0", { name: "ret", operator: "=", value: -13n }, "ret=EACCES"],
  ["(comm=rm)", { name: "comm", operator: "=", value: "git" }, "comm=git"],
];

for (const [before, asked, after] of NARROWED) {
  test(`“${before}” narrowed by ${asked.name}${asked.operator}${asked.value} is ${after}`, () => {
    const state = stateOf(before);
    state.narrow(asked);
    assert.equal(state.typed.text, after);
    assert.equal(state.valid.text, after);
  });
}

test("narrowing a faulty text narrows the filter in force", () => {
  const state = stateOf("comm=rm");
  state.type("comm=rm pid=");
  state.narrow({ name: "pid", operator: "=", value: 5 });
  assert.equal(state.valid.text, "comm=rm and pid=5");
});

test("an example is added to what stands there", () => {
  const state = stateOf();
  state.add("comm=rm or comm=git");
  assert.equal(state.typed.text, "comm=rm or comm=git");
  state.add("ret<0");
  assert.equal(state.typed.text, "(comm=rm or comm=git) and ret<0");
  state.add("a or b");
  assert.equal(state.typed.text, "(comm=rm or comm=git) and ret<0 and (a or b)");
});

test("a column that is not no column to narrow by", () => {
  assert.throws(
    () => stateOf().narrow({ name: "nope", operator: "=", value: 1 }),
    /no column nope/,
  );
});

test("a box writes its own test into the text, replaces it and takes it away", () => {
  const state = stateOf("rm (a or b)");
  const box = columnNamed("latency");
  state.typeBox(box, ">1ms");
  assert.equal(state.typed.text, "rm (a or b) and latency>1ms");
  state.typeBox(box, ">1m");
  assert.equal(state.typed.text, "rm (a or b) and latency>1ms");
  assert.match(state.boxFaults.get(box.key), /“m” is not a unit/);
  assert.equal(state.boxText(box), ">1m", "what is being typed stays");
  state.typeBox(box, "> 2 ms");
  assert.equal(state.typed.text, "rm (a or b) and latency>2ms");
  assert.equal(state.boxText(box), "> 2 ms");
  assert.equal(state.boxFaults.size, 0);
  state.typeBox(box, "");
  assert.equal(state.typed.text, "rm (a or b)");
  assert.equal(state.boxText(box), "");
});

test("boxes show what the text has for them", () => {
  const state = stateOf("thread~*rm* pid>5 latency_ns<=2us (uid=0 or ret<0) not errno=EIO");
  const shown = Object.fromEntries(COLUMNS.map((column) => [column.name, state.boxText(column)]));
  assert.deepEqual(shown, {
    time: "",
    probe: "",
    pid: ">5",
    uid: "",
    process: "",
    comm: "rm",
    dfd: "",
    filename: "",
    ret: "",
    errno: "",
    latency_ns: "<=2us",
  });
  state.type("");
  assert.equal(state.boxText(columnNamed("pid")), "");
});

test("the text of the bar wins over what was typed in a box", () => {
  const state = stateOf();
  const box = columnNamed("comm");
  state.typeBox(box, "=rm");
  state.type("comm!=git");
  assert.equal(state.boxText(box), "!=git");
  state.typeBox(box, "~(");
  state.type("comm=mv");
  assert.equal(state.boxText(box), "=mv");
  assert.equal(state.boxFaults.size, 0);
});

test("tests are taken away one by one", () => {
  const state = stateOf("rm comm=rm pid=1");
  state.remove([state.conjuncts[1]]);
  assert.equal(state.valid.text, "rm and pid=1");
  state.remove(state.conjuncts);
  assert.equal(state.valid.text, "");
});

/** What is offered with the cursor at `|`. */
function offered(textWithCursor, valuesOf = () => []) {
  const caret = textWithCursor.indexOf("|");
  const text = textWithCursor.replace("|", "");
  const { from, to, items } = complete(text, caret, NAMES, valuesOf);
  return { of: text.slice(from, to), items: items.map(({ insert }) => insert) };
}

test("columns, operators and joining words are offered where they can stand", () => {
  const names = [
    "time",
    "probe",
    "pid",
    "uid",
    "process",
    "comm",
    "dfd",
    "filename",
    "ret",
    "errno",
    "latency",
  ];
  assert.deepEqual(offered("|"), { of: "", items: [...names, "not "] });
  assert.deepEqual(offered("fi|"), { of: "fi", items: ["filename"] });
  assert.deepEqual(offered("Proc|"), { of: "Proc", items: ["process"] });
  assert.deepEqual(offered("rm la|t x"), { of: "lat", items: ["latency"] });
  assert.deepEqual(offered("comm=rm |"), { of: "", items: ["not ", "and ", "or ", ...names] });
  assert.deepEqual(offered("comm=rm an|"), { of: "an", items: ["and "] });
  assert.deepEqual(offered("comm|"), { of: "comm", items: ["comm=", "comm!=", "comm~", "comm!~"] });
  assert.deepEqual(offered("pid|").items, ["pid=", "pid!=", "pid<", "pid<=", "pid>", "pid>="]);
  assert.deepEqual(offered("zz|").items, []);
  assert.deepEqual(offered('"quo|').items, []);
});

test("values are offered behind an operator, quoted as they must be", () => {
  const valuesOf = (column) =>
    column.name === "comm" ? ["rm", "my rm", "git", "*"].map((text) => ({ text, help: "" })) : [];
  assert.deepEqual(offered("comm=|", valuesOf), { of: "", items: ["rm", '"my rm"', "git", '"*"'] });
  assert.deepEqual(offered("comm=r|m x", valuesOf), { of: "rm", items: ["rm", '"my rm"'] });
  assert.deepEqual(offered("comm= R|", valuesOf), { of: "R", items: ["rm", '"my rm"'] });
  assert.deepEqual(offered('comm="my|', valuesOf), { of: '"my', items: ['"my rm"'] });
  assert.deepEqual(offered("comm~|", valuesOf).items.at(-1), "\\*");
  assert.deepEqual(offered("nope=|", valuesOf).items, []);
  assert.deepEqual(offered("latency>1|").items, ["1ns", "1µs", "1ms", "1s"]);
});

test("the values offered are those seen, by their names, and the names a column knows", () => {
  const offers = offersOf(events(), look);
  const texts = (name) => offers(columnNamed(name)).map(({ text }) => text);
  assert.deepEqual(texts("comm"), ["rm", "RM", "git"]);
  assert.deepEqual(texts("ret").slice(0, 3), ["0", "ENOENT", "EACCES"]);
  assert.ok(texts("ret").includes("EXDEV"));
  assert.equal(new Set(texts("ret")).size, texts("ret").length);
  assert.deepEqual(texts("latency"), []);
  const [rm] = offers(columnNamed("comm"));
  assert.equal(rm.help, "3 events");
  assert.match(
    offers(columnNamed("errno")).find(({ text }) => text === "ENOENT").help,
    /No such file/,
  );
});

class FakeStorage {
  items = new Map();
  getItem(key) {
    return this.items.get(key) ?? null;
  }
  setItem(key, value) {
    this.items.set(key, value);
  }
}

test("the history keeps the last fifty, each once, newest first, and survives a visit", () => {
  const storage = new FakeStorage();
  const history = new History(storage);
  for (let i = 0; i < 60; i++) history.add(`pid=${i}`);
  history.add(" pid=20 ");
  history.add("");
  const { entries } = new History(storage);
  assert.equal(entries.length, 50);
  assert.deepEqual(entries.slice(0, 3), ["pid=20", "pid=59", "pid=58"]);
});

test("older filters are recalled one by one, and the way back", () => {
  const history = new History(null);
  for (const text of ["a", "b"]) history.add(text);
  assert.deepEqual(
    [1, 1, 1, -1, -1].map((step) => history.recall(step)),
    ["b", "a", null, "b", ""],
  );
  assert.equal(history.isRecalling, false);
});

test("rubbish in the storage is no history", () => {
  for (const stored of ["{", "5", "null", '{"a": 1}', '[1, null, "ok", ""]']) {
    const storage = new FakeStorage();
    storage.setItem("probedeck.filters", stored);
    assert.deepEqual(new History(storage).entries, stored.includes("ok") ? ["ok"] : []);
  }
  const closed = {
    getItem() {
      throw new Error("no");
    },
    setItem() {
      throw new Error("full");
    },
  };
  const history = new History(closed);
  history.add("rm");
  assert.deepEqual(history.entries, ["rm"]);
});

const part = (text) => kernelPart(compiled(text).tree, NAMES, look);

const PARTS = [
  ["pid=12", { member: "pid", value: 12 }],
  ["PID=12..12", { member: "pid", value: 12 }],
  ["uid=0", { member: "uid", value: 0 }],
  ["uid=alice", { member: "uid", value: 1000 }],
  ["comm=rm", { member: "comm", value: "rm" }],
  ["thread=123456789012345", { member: "comm", value: "123456789012345" }],
  ["process=rm", { member: "process", value: "rm" }],
  ["process=1234567890123456", null],
  ["process~rm", null],
  ["ret<0", { member: "only_failures", value: true }],
  ["ret<=-1", { member: "only_failures", value: true }],
  ["comm=1234567890123456", null],
  ["comm=ééééééé", { member: "comm", value: "ééééééé" }],
  ["comm=éééééééé", null], // 16 bytes
  ["comm=a\\xff", null],
  ['comm=""', null],
  ["comm~rm", null],
  ["comm!=rm", null],
  ["pid!=12", null],
  ["pid>12", null],
  ["pid=10..20", null],
  ["pid=0", null],
  ["pid=4194305", null],
  ["uid=4294967295", null],
  ["ret<1", null],
  ["ret=ENOENT", null],
  ["ret=-5..-1", null],
  ["dfd=1", null],
  ["rm", null],
  ["not comm=rm", null],
  ["comm=rm or pid=1", null],
];

for (const [text, expected] of PARTS) {
  test(`${text} ${expected ? "can" : "cannot"} be tested in the kernel`, () =>
    assert.deepEqual(part(text), expected));
}

const NO_FILTER = { pid: null, uid: null, process: null, comm: null, only_failures: false };
const probe = (id, filter = {}, columns = [{ name: "ret" }]) => ({
  id,
  columns,
  filter: { ...NO_FILTER, ...filter },
});

const OWN = { keyOf: (_probe, name, type) => columnKey(name, type), isRefused: () => false };

function plan(text, running) {
  const filter = compiled(text);
  const { patches, moved, stay } = planMove(filter, running, NAMES, look, OWN);
  const slice = (node) => filter.text.slice(node.start, node.end);
  return {
    patches: Object.fromEntries(patches),
    moved: moved.map(slice),
    stay: stay.map(({ node, reason }) => [slice(node), reason]),
  };
}

test("of deletions it becomes members of the filter, whatever the probe is called", () => {
  const target = { kind: "preset", name: "deletions" };
  assert.deepEqual(plan("comm=rm x", [{ ...probe("mine"), target }]), {
    patches: { mine: { comm: "rm" } },
    moved: ["comm=rm"],
    stay: [],
  });
});

test("what the kernel can test moves into all running probes", () => {
  assert.deepEqual(
    plan("comm=rm x pid=5 ret<0", [probe("fexit"), probe("kretprobe", { pid: 5 })]),
    {
      patches: {
        fexit: { comm: "rm", pid: 5, only_failures: true },
        kretprobe: { comm: "rm", only_failures: true },
      },
      moved: ["comm=rm", "pid=5", "ret<0"],
      stay: [],
    },
  );
});

test("failures stay in the view for a probe that sees no result", () => {
  const { patches, moved, stay } = plan("ret<0", [probe("fexit"), probe("fentry", {}, [])]);
  assert.deepEqual([patches, moved], [{ fexit: { only_failures: true } }, []]);
  assert.deepEqual(stay, [
    ["ret<0", "fentry does not see return values: ret<0 stays in view for it"],
  ]);
  assert.deepEqual(plan("ret<0", [probe("fentry", {}, [])]), {
    patches: {},
    moved: [],
    stay: [["ret<0", "no running probe sees return values"]],
  });
});

test("a test that the kernel's own contradicts stays, for moving it would let other events through", () => {
  const { patches, stay } = plan("pid=5", [probe("fexit", { pid: 6 })]);
  assert.deepEqual(patches, {});
  assert.deepEqual(stay, [["pid=5", "the kernel filter of fexit already has pid=6"]]);
  assert.match(plan("pid=5 pid=6", [probe("fexit")]).stay[0][1], /pid=5 asks for another/);
});

test("what the probes test already is only taken out of the view", () => {
  assert.deepEqual(plan("comm=rm", [probe("fexit", { comm: "rm" })]), {
    patches: {},
    moved: ["comm=rm"],
    stay: [],
  });
});

test("where nothing runs nothing moves", () => {
  assert.deepEqual(plan("comm=rm ret<0", []), { patches: {}, moved: [], stay: [] });
});

test("alternatives do not move", () => {
  assert.deepEqual(plan("comm=rm or pid=5", [probe("fexit")]), {
    patches: {},
    moved: [],
    stay: [],
  });
});

// Probes with a target: the page also knows the columns of deletions, which `opens` has not.
const HEAD = ["time", "pid", "uid", "process", "comm", "ret", "errno", "latency_ns"];
const named = (name, type, names = NO_NAMES) => ({
  key: columnKey(name, type),
  ...{ name, type, title: name, unit: null, help: "", names },
});
const MODES = new ValueNames([{ value: 1, name: "ONE", aliases: [], meaning: "" }], "modes");
const OPENS = [
  ...COLUMNS.filter(({ name }) => HEAD.includes(name)),
  named("path", "text"),
  named("args.0", "int32"),
  named("flags", "uint32"),
  named("kind", "int32", MODES),
];
const BOTH = new ColumnNames([
  ...COLUMNS,
  ...OPENS.filter((column) => !COLUMNS.includes(column)),
  named("flags", "text"),
]);
const opens = (members = {}) => ({
  ...probe("opens"),
  target: { kind: "syscall", name: "openat" },
  columns: OPENS.map(({ name, type, title, unit }) => ({ name, type, title, unit })),
  where: null,
  ...members,
});

function ownPlan(text, running, isRefused = () => false) {
  const filter = compileFilter(text, BOTH, look);
  assert.deepEqual(filter.faults, []);
  const made = planMove(filter, running, BOTH, look, { ...OWN, isRefused });
  const slice = (node) => filter.text.slice(node.start, node.end);
  return {
    patches: Object.fromEntries(made.patches),
    wheres: Object.fromEntries(made.wheres.map((it) => [it.probe.id, it.where()])),
    moved: made.moved.map(slice),
    stay: made.stay.map(({ reason }) => reason),
    made,
  };
}

const JOINED = [
  // the page's filter, the probe's before and after, what stays on the page
  ["comm=cat", null, "comm=cat", []],
  ["comm=cat path=/etc/*", null, "comm=cat and path=/etc/*", []],
  ["comm=cat", "pid=5", "pid=5 and comm=cat", []],
  ["comm=cat", "pid=5 uid=0", "pid=5 uid=0 and comm=cat", []],
  ["comm=cat", "pid=5 or pid=6", "(pid=5 or pid=6) and comm=cat", []],
  ["comm=cat or uid=0", "pid=5", "pid=5 and (comm=cat or uid=0)", []],
  ["comm=cat or uid=0", null, "(comm=cat or uid=0)", []],
  ["(comm=cat or uid=0) ret<0", "pid=5", "pid=5 and (comm=cat or uid=0) and ret<0", []],
  ["comm in (cat, wc) not pid=1", null, "comm in (cat, wc) and not pid=1", []],
  ["latency>1ms uid=alice ret=ENOENT", null, "latency>1ms and uid=alice and ret=ENOENT", []],
  ["args[0]<0 kind=one", null, "args[0]<0 and kind=one", []],
  // A title that the page knows from deletions; the name in the filter of the probe.
  [
    "User=0 (Thread in (cat, wc) or result=0)",
    null,
    "User=0 and (Thread in (cat, wc) or result=0)",
    [],
  ],
  ["comm=cat", "comm=cat", undefined, []],
  ["comm=cat pid=5", "comm = cat", "comm = cat and pid=5", []],
  ["passwd comm=cat", null, "comm=cat", ["passwd"]],
  ["comm~CAT pid=5", null, "pid=5", ["comm~CAT"]],
  ["comm=cat or passwd", null, undefined, ["comm=cat or passwd"]],
  ["time>2026-11-22T10:00Z pid=5", null, "pid=5", ["time>2026-11-22T10:00Z"]],
  ["probe=opens pid=5", null, "pid=5", ["probe=opens"]],
  ["filename=/etc/passwd pid=5", null, "pid=5", ["filename=/etc/passwd"]],
  ["path=a*b pid=5", null, "pid=5", ["path=a*b"]],
  ["flags=0x8000", null, "flags=0x8000", []],
  ["flags=AT_REMOVEDIR pid=5", null, "pid=5", ["flags=AT_REMOVEDIR"]],
];

for (const [text, before, after, stay] of JOINED) {
  test(`${text} moves into a probe's filter ${before ?? "of nothing"} as ${after}`, () => {
    const { patches, wheres, moved, made } = ownPlan(text, [opens({ where: before })]);
    assert.deepEqual(patches, {});
    assert.equal(wheres.opens, after);
    const all = conjuncts(compileFilter(text, BOTH, look).tree);
    const left = all.filter((node) => !moved.includes(text.slice(node.start, node.end)));
    assert.deepEqual(
      left.map(({ start, end }) => text.slice(start, end)),
      stay,
    );
    assert.deepEqual(made.stay, []);
  });
}

test("a title of another probe's column is written by the column's name", () => {
  const columns = opens().columns.map((column) => ({ ...column, title: `the ${column.name}` }));
  const { wheres } = ownPlan("User=0 (Thread in (cat, wc) or Result!=0)", [opens({ columns })]);
  assert.equal(wheres.opens, "uid=0 and (comm in (cat, wc) or ret!=0)");
});

test("deletions and a probe with a target each get what they can test", () => {
  const running = [probe("fexit"), opens()];
  const { patches, wheres, moved, stay } = ownPlan("comm=cat ret<0 path=/etc/* pid>5", running);
  assert.deepEqual(patches, { fexit: { comm: "cat", only_failures: true } });
  assert.equal(wheres.opens, "comm=cat and ret<0 and path=/etc/* and pid>5");
  assert.deepEqual(moved, ["comm=cat", "ret<0"]);
  assert.deepEqual(stay, [
    "fexit does not test path=/etc/* in the kernel: it stays in view for it",
    "fexit does not test pid>5 in the kernel: it stays in view for it",
  ]);
});

test("a clash with the filter of deletions does not keep a test from the other probes", () => {
  const { patches, wheres, moved, stay } = ownPlan("pid=5", [probe("fexit", { pid: 6 }), opens()]);
  assert.deepEqual([patches, wheres, moved], [{}, { opens: "pid=5" }, []]);
  assert.deepEqual(stay, ["the kernel filter of fexit already has pid=6"]);
});

test("what a probe's other filter tests is not added to its own", () => {
  const filter = { ...NO_FILTER, comm: "cat" };
  const { wheres, moved } = ownPlan("comm=cat", [opens({ filter })]);
  assert.deepEqual([wheres, moved], [{}, ["comm=cat"]]);
});

test("what the service said that the kernel does not test is not asked again", () => {
  const isRefused = ({ id }, term) => id === "opens" && term === "pid in (1, 3)";
  const { wheres, moved } = ownPlan("pid in (1, 3) comm=cat", [opens()], isRefused);
  assert.deepEqual([wheres, moved], [{ opens: "comm=cat" }, ["comm=cat"]]);
});

test("what the kernel turns out not to test is known by the service's answer", () => {
  const running = [opens({ where: "pid=5" })];
  const [change] = ownPlan("uid in (1, 3) comm=cat", running).made.wheres;
  assert.equal(change.where(), "pid=5 and uid in (1, 3) and comm=cat");
  const left = change.leftBy("uid in (1, 3)");
  assert.deepEqual(
    left.map(({ text }) => text),
    ["uid in (1, 3)"],
  );
  assert.equal(change.where(left), "pid=5 and comm=cat");
  assert.deepEqual(change.leftBy(null), []);
  const [only] = ownPlan("uid=1 or uid=3", [opens()]).made.wheres;
  assert.equal(only.where(only.leftBy("(uid=1 or uid=3)")), null);
});

test("a filter that would be too long for the service stays on the page", () => {
  const test = (i) => `path=/${"x".repeat(50)}${i}`;
  const long = Array.from({ length: 60 }, (_, i) => test(i)).join(" or ");
  const other = long.replaceAll("/x", "/y");
  assert.deepEqual(ownPlan("comm=cat", [opens({ where: long })]).moved, ["comm=cat"]);
  const { wheres, moved, stay } = ownPlan(other, [opens({ where: long })]);
  assert.deepEqual([wheres, moved, stay], [{}, [], []]);
});

test("what the kernel tests is told once, with its probes", () => {
  const running = [
    probe("fexit", { comm: "my rm", only_failures: true }),
    probe("kprobe", { comm: "my rm", uid: 0 }),
  ];
  assert.deepEqual(kernelTests(running), [
    { member: "comm", text: 'comm="my rm"', probes: ["fexit", "kprobe"] },
    { member: "only_failures", text: "ret<0", probes: ["fexit"] },
    { member: "uid", text: "uid=0", probes: ["kprobe"] },
  ]);
});

test("the commonest value is offered first", () => {
  const store = events();
  store.append(batchOf({ comm: ["text", ["git", "git", "git", "git"]] }));
  assert.equal(offersOf(store, look)(columnNamed("comm"))[0].text, "git");
});
