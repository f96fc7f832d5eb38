// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { bestProbe, isActive } from "../../../static/js/probes/choice.js";
import { filterWords, parseOptions, seesReturn } from "../../../static/js/probes/spec.js";

const probes = (...available) =>
  ["fentry", "fexit", "kprobe", "kretprobe", "tracepoint"].map((mode) => ({
    id: mode,
    mode,
    available: available.includes(mode),
  }));

const BEST = [
  [["fentry", "fexit", "kprobe", "kretprobe", "tracepoint"], "fexit"],
  [["fentry", "kprobe", "kretprobe", "tracepoint"], "kretprobe"],
  [["fentry", "kprobe", "tracepoint"], "tracepoint"],
  [["fentry", "kprobe"], "fentry"],
  [["kprobe"], "kprobe"],
];

for (const [available, best] of BEST) {
  test(`of ${available} the best is ${best}`, () => {
    assert.equal(bestProbe(probes(...available)).id, best);
  });
}

test("without an available mode there is no best", () => {
  assert.equal(bestProbe(probes()), null);
  assert.equal(bestProbe([]), null);
});

test("an unranked mode comes last", () => {
  const unknown = { id: "uprobe", mode: "uprobe", available: true };
  assert.equal(bestProbe([unknown]).id, "uprobe");
  assert.equal(bestProbe([unknown, ...probes("kprobe")]).id, "kprobe");
});

test("only starting, running and stopping probes are active", () => {
  const active = ["stopped", "starting", "running", "stopping", "failed"].filter((state) =>
    isActive({ state }),
  );
  assert.deepEqual(active, ["starting", "running", "stopping"]);
});

test("a failed probe that waits for its restart can be stopped", () => {
  assert.equal(isActive({ state: "failed", ended: { code: "tracer_failed" } }), false);
  assert.equal(isActive({ state: "failed", ended: { restart_at: "2026-11-22T10:00:00Z" } }), true);
  assert.equal(isActive({ state: "stopped", ended: null }), false);
});

const typed = (fields = {}) =>
  parseOptions({
    pid: "",
    uid: "",
    process: "",
    comm: "",
    duration: "",
    only_failures: false,
    ...fields,
  });

test("nothing typed asks for everything", () => {
  assert.deepEqual(typed(), {
    spec: { filter: { pid: null, uid: null, process: null, comm: null, only_failures: false } },
    errors: {},
  });
});

test("what is typed becomes the spec", () => {
  const { spec, errors } = typed({
    pid: " 12 ",
    uid: "0",
    process: "my prog",
    comm: "a thread",
    duration: "1.5",
    only_failures: true,
    restart: true,
  });
  assert.deepEqual(errors, {});
  assert.deepEqual(spec, {
    filter: { pid: 12, uid: 0, process: "my prog", comm: "a thread", only_failures: true },
    duration_s: 1.5,
    restart: true,
  });
});

const WRONG = [
  ["pid", "0"],
  ["pid", "4194305"],
  ["pid", "1.5"],
  ["pid", "1e3"],
  ["pid", "x"],
  ["uid", "-1"],
  ["uid", "4294967295"],
  ["comm", "sixteen-bytes-16"],
  ["process", "sixteen-bytes-16"],
  ["comm", "ééééééé\u00e9"],
  ["duration", "0"],
  ["duration", "86401"],
  ["duration", "soon"],
  ["duration", "Infinity"],
];

for (const [field, text] of WRONG) {
  test(`${field} ${text} is refused at its field`, () => {
    assert.deepEqual(Object.keys(typed({ [field]: text }).errors), [field]);
  });
}

test("a filter is described in words", () => {
  assert.deepEqual(filterWords(null), []);
  const filter = { pid: 1, uid: 0, process: "git", comm: "rm", only_failures: true };
  assert.deepEqual(filterWords(filter), [
    "pid 1",
    "uid 0",
    "process git",
    "thread rm",
    "failures only",
  ]);
});

test("failures only applies where there is a return value", () => {
  assert.equal(seesReturn({ columns: [{ name: "pid" }] }), false);
  assert.equal(seesReturn({ columns: [{ name: "ret" }] }), true);
});
