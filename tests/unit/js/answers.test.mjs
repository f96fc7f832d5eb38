// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Intake } from "../../../static/js/data/intake.js";
import { EventStore } from "../../../static/js/data/store.js";
import { isWatching } from "../../../static/js/data/watching.js";
import { changeFilter, listProbes, listUsers, startProbe } from "../../../static/js/net/api.js";
import { credentials } from "../../../static/js/net/credentials.js";
import { problemError } from "../../../static/js/net/problem.js";
import { Changes } from "../../../static/js/probes/changes.js";
import { bestProbe, isActive } from "../../../static/js/probes/choice.js";
import { filterWords, seesReturn } from "../../../static/js/probes/spec.js";
import { problems, recorded } from "./answers.mjs";

const realFetch = globalThis.fetch;
globalThis.sessionStorage = { getItem: () => null, removeItem: () => {} };
afterEach(() => {
  globalThis.fetch = realFetch;
});

const told = (name) => {
  const problem = recorded(name);
  return problemError(problem.status, problem);
};

test("each fault of a field is told with its name, and once", () => {
  assert.deepEqual(told("problem_fields").notes, [
    "filter.pid: Must be a whole number from 1 to 4194304.",
    ...recorded("problem_fields")
      .errors.slice(1)
      .map(({ field, message }) => `${field}: ${message}`),
  ]);
  assert.equal(told("problem_fields").message, "The service rejected the request");
  assert.deepEqual(told("problem_query").notes, ["limit: Must be a whole number from 1 to 10000."]);
});

test("a fault of the whole body has no field", () => {
  const { errors } = recorded("problem_body");
  assert.deepEqual(
    told("problem_body").notes,
    errors.map(({ message }) => message),
  );
});

test("what the kernel cannot do is told with the reason, the hint and what works instead", () => {
  const { detail, reason, hint, alternatives } = recorded("problem_unavailable");
  const error = told("problem_unavailable");
  assert.equal(error.message, detail);
  assert.equal(error.code, "unavailable");
  assert.deepEqual(error.notes, [reason, hint, `Available here: ${alternatives.join(", ")}.`]);
});

for (const name of problems()) {
  test(`words for people, and a code: ${name}`, () => {
    const { message, code, status, notes } = told(name);
    assert.equal(code, recorded(name).code);
    assert.equal(status, recorded(name).status);
    for (const text of [message, ...notes]) {
      assert.equal(typeof text, "string");
      assert.doesNotMatch(text, /undefined|\[object|^(field|message): /);
    }
  });
}

/** The service answers with this, once. */
function answers(status, name) {
  const type = name.startsWith("problem_") ? "application/problem+json" : "application/json";
  const sent = [];
  globalThis.fetch = async (path, options) => {
    sent.push([options.method, path, options.body]);
    return new Response(JSON.stringify(recorded(name)), {
      status,
      headers: { "Content-Type": type },
    });
  };
  return sent;
}

test("calls give what was answered, or throw it", async () => {
  await credentials.forget();
  const sent = answers(200, "probes");
  assert.deepEqual(await listProbes(), recorded("probes"));
  answers(200, "users");
  assert.deepEqual(await listUsers([0], ["daemon"]), recorded("users").users);
  answers(422, "problem_field");
  await assert.rejects(startProbe("a b", { filter: { pid: "5" } }), {
    code: "invalid",
    notes: ["filter.pid: Must be a whole number from 1 to 4194304."],
  });
  answers(404, "problem_not_running");
  await assert.rejects(changeFilter("fexit", { uid: 1 }), { code: "not_running", status: 404 });
  assert.deepEqual(sent, [["GET", "/probes", undefined]]);
});

test("the probes of an answer can be chosen from, and told", () => {
  const { probes } = recorded("probes");
  const running = recorded("probe_running");
  assert.equal(bestProbe(probes).available, true);
  assert.equal(isActive(running), true);
  assert.equal(isActive(recorded("probe_ended")), false);
  assert.deepEqual(filterWords(running.filter), ["thread nobody"]);
  assert.equal(isWatching(running), true);
  assert.equal(isWatching(recorded("probe_ended")), false);
  assert.equal(
    seesReturn(running),
    running.columns.some(({ name }) => name === "ret"),
  );
});

test("who started and who stopped a probe is told to other pages, in the service's words", () => {
  const changes = new Changes();
  changes.allow({ name: "uid 1000" });
  const { probes } = recorded("hello");
  assert.deepEqual(changes.news(probes), []);
  const { probe } = recorded("state");
  const who = recorded("hello").caller.name;
  assert.deepEqual(changes.news([probe]), [`${who} started ${probe.id} for everyone.`]);
  assert.deepEqual(changes.news([probe]), []);
  const ended = recorded("probe_ended");
  ended.changed_by.at = "2026-11-22T10:00:09.123456Z"; // recorded with the time of the start
  assert.deepEqual(changes.news([ended]), [`${who} stopped ${probe.id} for everyone.`]);
});

test("each probe says what it does not see", () => {
  for (const { id, not_seen: sentences } of recorded("probes").probes) {
    assert.ok(sentences.length > 0, id);
    for (const sentence of sentences) assert.match(sentence, /^[A-Z].*\.$/s, id);
  }
});

test("names of errors, as the service sends them, are a filter's values", () => {
  const { columns } = new EventStore();
  columns.name(recorded("hello").names);
  columns.describe(recorded("probe_running").columns);
  columns.add(recorded("probe_running").columns);
  const byName = new Map(columns.all.map((column) => [column.name, column]));
  assert.equal(byName.get("ret").names.valueOf("ENOENT"), -2);
  assert.ok(byName.get("errno").names.all.length > 100);
  assert.equal(byName.get("process").title, "Process");
  assert.equal(byName.get("comm").title, "Thread");
});

test("a probe whose programs do not run is told as such, and until when", () => {
  const store = new EventStore();
  const intake = new Intake(store);
  intake.probes([recorded("state").probe]);
  const { probe } = recorded("state_blind");
  assert.equal(isWatching(probe), false);
  intake.probes([probe]);
  const [{ kind, cause, since }] = intake.watching.incidents;
  assert.deepEqual([kind, cause, since], ["blind", probe.blind.reason, probe.blind.since]);
  const gap = recorded("gap_unwatched");
  intake.gap(gap);
  intake.probes([recorded("probe_ended")]);
  assert.deepEqual(intake.watching.incidents, []);
  assert.deepEqual(intake.losses.list(), []);
  const { where, rows, from, to } = store.gapAt(store.first);
  assert.deepEqual({ where, rows, from, to }, { where: "unwatched", rows: null, from, to: gap.to });
});

test("messages of the websocket fill the store's columns and the books of losses", () => {
  const store = new EventStore();
  const intake = new Intake(store);
  const hello = recorded("hello");
  intake.hello(hello);
  assert.equal(intake.held.isKnown, true);
  intake.probes(hello.probes);
  assert.deepEqual(store.columns.all, []);
  const { probe } = recorded("state");
  intake.probes([probe]);
  const names = store.columns.all.map(({ name }) => name);
  for (const { name } of probe.columns) assert.ok(names.includes(name), name);
  assert.deepEqual(intake.losses.list(), []);
  const gap = recorded("gap");
  intake.gap(gap);
  assert.deepEqual(intake.losses.list(), [{ probe: gap.probe, where: "kernel", rows: 7 }]);
  assert.equal(store.gapAt(store.first).where, gap.where);
});
