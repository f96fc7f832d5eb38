// SPDX-License-Identifier: Apache-2.0

// The form that starts a probe of any function: what it sends, and where errors are shown.

import assert from "node:assert/strict";
import { test } from "node:test";

import { restInView } from "../../../static/js/filter/kernel.js";
import { problemError } from "../../../static/js/net/problem.js";
import { bestProbe } from "../../../static/js/probes/choice.js";
import { functionsOf, insteadOf, modesOf, presetsOf } from "../../../static/js/probes/functions.js";
import { ownColumns, proposedId, targetWords } from "../../../static/js/probes/target.js";
import { faultsOf, parseForm } from "../../../static/js/probes/trace_form.js";

const TYPED = {
  kind: "function",
  name: " vfs_read ",
  mode: "",
  columns: "",
  where: "",
  duration: "",
  id: "reads",
};

test("empty fields are not sent", () => {
  assert.deepEqual(parseForm(TYPED), { id: "reads", body: { function: "vfs_read" }, faults: [] });
});

test("every field is sent", () => {
  const typed = {
    ...TYPED,
    kind: "syscall",
    mode: "tracepoint",
    columns: "a\r\n\n b ",
    where: " ret<0 ",
    duration: "1.5",
  };
  assert.deepEqual(parseForm(typed).body, {
    syscall: "vfs_read",
    mode: "tracepoint",
    columns: ["a", "b"],
    where: "ret<0",
    duration_s: 1.5,
  });
});

for (const [field, value] of [
  ["name", "  "],
  ["duration", "0"],
  ["duration", "86401"],
  ["duration", "x"],
  ["id", ""],
  ["id", "-a"],
  ["id", "A"],
  ["id", "a".repeat(33)],
]) {
  test(`${field} “${value}” is a fault`, () =>
    assert.deepEqual(
      parseForm({ ...TYPED, [field]: value }).faults.map((fault) => fault.field),
      [field],
    ));
}

const refused = (...errors) => problemError(422, { code: "invalid", detail: "…", errors });

test("errors of the service go to their fields, with near misses as the whole field's text", () => {
  const typed = { ...TYPED, columns: "\nfile->f_flag\n  cuont", where: "  rte<0" };
  const error = refused(
    { field: "function", message: "none", near: ["vfs_read"] },
    { field: "columns.0", message: "no field", position: 4, near: ["f_flags", "f_mode"] },
    { field: "columns.1", message: "no argument", position: 0, near: ["count"] },
    { field: "where", message: "no column", position: 0, near: ["ret"] },
    { field: "duration_s", message: "too long" },
    { field: "elsewhere", message: "is not shown at a field" },
  );
  assert.deepEqual(
    faultsOf(error, typed, "reads-2").map(({ field, message, fixes }) => [
      field,
      message,
      fixes.map(({ text }) => text),
    ]),
    [
      ["name", "none", ["vfs_read"]],
      ["columns", "Line 2: no field", ["\nfile->f_flags\n  cuont", "\nfile->f_mode\n  cuont"]],
      ["columns", "Line 3: no argument", ["\nfile->f_flag\n  count"]],
      ["where", "no column", ["ret<0"]],
      ["duration", "too long", []],
      ["", "elsewhere: is not shown at a field", []],
    ],
  );
});

test("errors without a field of the form have none", () => {
  assert.deepEqual(faultsOf(problemError(504, { code: "late", detail: "late" }), TYPED, "x"), []);
  for (const [field, message] of [
    [null, "all"],
    ["constructor", "constructor: all"],
  ]) {
    const fault = { field: "", message, fixes: [] };
    assert.deepEqual(faultsOf(refused({ field, message: "all" }), TYPED, "x"), [fault]);
  }
});

test("a mode that is not available is one click from those that are", () => {
  const error = problemError(501, {
    code: "unavailable",
    detail: "no",
    alternatives: ["kprobe", "kretprobe"],
  });
  const [fault] = faultsOf(error, { ...TYPED, mode: "fexit" }, "x");
  assert.equal(fault.field, "mode");
  assert.deepEqual(
    fault.fixes.map(({ text }) => text),
    ["kprobe", "kretprobe"],
  );
});

test("names of probes are proposed", () => {
  assert.equal(proposedId("vfs_read", new Set()), "vfs_read");
  assert.equal(proposedId("vfs_read", new Set(["vfs_read", "vfs_read-2"])), "vfs_read-3");
  assert.equal(proposedId("sched:sched_switch", new Set()), "sched-sched_switch");
  assert.equal(proposedId("__x64_sys_read.isra.0", new Set()), "x64_sys_read.isra.0");
  assert.equal(proposedId("a".repeat(40), new Set(["a".repeat(32)])), `${"a".repeat(30)}-2`);
  assert.equal(proposedId("___", new Set()), "");
});

test("answers that are not what they should be offer nothing", () => {
  for (const answer of [null, {}, { functions: 3 }, { functions: [null, { name: 1 }, {}] }])
    assert.deepEqual(functionsOf(answer), []);
  for (const answer of [null, {}, { presets: 3 }, { presets: [null, { name: "opens" }, {}] }])
    assert.deepEqual(presetsOf(answer, ""), []);
  assert.deepEqual(insteadOf(null), []);
  assert.deepEqual(insteadOf({ modes: { fexit: {} } }), []);
});

test("presets are found by name and title, and say in which modes they work", () => {
  const modes = [
    { mode: "fexit", available: false, reason: "no BTF" },
    { mode: "tracepoint", available: true, reason: null },
  ];
  const answer = { presets: [{ name: "opens", title: "Files opened", help: "Calls", modes }] };
  for (const text of ["", "open", "FILES"])
    assert.deepEqual(
      presetsOf(answer, text).map(({ name, signature }) => [name, signature]),
      [["opens", "Files opened. Calls."]],
    );
  assert.deepEqual(presetsOf(answer, "signals"), []);
  const [found] = presetsOf(answer, "opens");
  const shown = modesOf("preset", found, []);
  assert.equal(shown.find(({ mode }) => mode === "fexit").reason, "no BTF");
  assert.equal(shown.find(({ mode }) => mode === "tracepoint").isAvailable, true);
});

test("without an entry the kernel's own modes count", () => {
  const probes = [
    { id: "fexit", mode: "fexit", available: false, reason: "no BTF", hint: "use kprobe" },
    { id: "kprobe", mode: "kprobe", available: true },
  ];
  const modes = modesOf("function", null, probes);
  assert.deepEqual(modes.find(({ mode }) => mode === "fexit").reason, "no BTF. use kprobe");
  assert.ok(modes.find(({ mode }) => mode === "kprobe").isAvailable);
  const found = { modes: { fexit: { available: true, reason: null } } };
  assert.ok(modesOf("function", found, probes)[0].isAvailable);
  assert.deepEqual(
    modesOf("syscall", null, probes).map(({ mode }) => mode),
    ["tracepoint"],
  );
});

test("a probe is described by what it traces", () => {
  const target = (kind, name) => ({ id: "x", mode: "fexit", target: { kind, name } });
  assert.equal(targetWords(target("function", "vfs_read")), "vfs_read, fexit");
  assert.equal(targetWords(target("syscall", "openat")), "system call openat, fexit");
  assert.equal(targetWords({ ...target("function", "f"), id: "fexit" }), "f");
  assert.equal(targetWords({ id: "fexit", mode: "fexit", target: null }), "");
  const columns = ["time", "pid", "path", "ret"].map((name) => ({ name }));
  assert.deepEqual(ownColumns({ columns }), ["path", "ret"]);
});

test("deletions are watched by a mode that is free", () => {
  const mode = (id, more = {}) => ({ id, mode: id, available: true, state: "stopped", ...more });
  const busy = { state: "running", target: { kind: "function", name: "vfs_read" } };
  const own = { ...mode("fexit", busy), id: "reads" };
  assert.equal(bestProbe([own, mode("fexit", busy), mode("kprobe")]).id, "kprobe");
  assert.equal(bestProbe([own]), null);
  assert.equal(
    bestProbe([mode("kprobe"), mode("fexit", { ...busy, state: "stopped" })]).id,
    "fexit",
  );
});

test("what the kernel does not test of a probe's filter concerns its rows alone", () => {
  const probes = [
    { id: "fexit", where_in_service: null },
    { id: "reads", where_in_service: "path~*a* or path~*b*" },
    { id: "x", where_in_service: "n=1" },
  ];
  assert.equal(
    restInView(probes),
    "(not probe=reads or (path~*a* or path~*b*)) and (not probe=x or (n=1))",
  );
  assert.equal(restInView(probes.slice(0, 1)), "");
});
