// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { isWatching, Watching } from "../../../static/js/data/watching.js";

const at = (second) => `2026-11-22T10:00:${String(second).padStart(2, "0")}.000000Z`;
const running = { id: "fexit", state: "running", started_at: at(0), ended: null, blind: null };
const stopped = { ...running, state: "stopped", ended: { code: "requested", at: at(20) } };
const killed = {
  ...running,
  state: "failed",
  ended: { code: "tracer_failed", detail: "ended by SIGKILL", at: at(10) },
};
const blind = {
  ...running,
  blind: { since: at(10), reason: "ftrace is off", hint: "sysctl -w kernel.ftrace_enabled=1" },
};

function watching() {
  const gaps = [];
  const it = new Watching((gap) => {
    gaps.push(gap);
    return gap;
  });
  const tell = (...probes) => {
    for (const probe of probes) it.probes([probe], at(40));
  };
  return { it, gaps, tell };
}

test("running and not blind is watching", () => {
  assert.deepEqual([running, stopped, killed, blind].map(isWatching), [true, false, false, false]);
});

test("a probe that fails is told until it runs again, and leaves its time", () => {
  const { it, gaps, tell } = watching();
  tell(running);
  assert.deepEqual([it.isOn, it.incidents.length], [true, 0]);
  tell(killed);
  assert.equal(it.isOn, false);
  const [{ cause, since, kind, restartAt }] = it.incidents;
  assert.deepEqual([cause, since, kind, restartAt], ["ended by SIGKILL", at(10), "failed", null]);
  tell({ ...running, state: "starting", started_at: at(15) });
  assert.equal(it.incidents.length, 1, "not before it runs");
  tell({ ...running, started_at: at(15) });
  assert.deepEqual([it.isOn, it.incidents.length], [true, 0]);
  assert.deepEqual(gaps, [
    { probe: "fexit", where: "unwatched", rows: null, from: at(10), to: at(15) },
  ]);
});

test("it says when it starts again, and stays one time over several attempts", () => {
  const { it, gaps, tell } = watching();
  tell(running, { ...killed, ended: { ...killed.ended, restart_at: at(11) } });
  assert.equal(it.incidents[0].restartAt, at(11));
  tell({ ...running, state: "starting" }, { ...killed, ended: { ...killed.ended, at: at(12) } });
  assert.deepEqual([it.incidents[0].since, it.incidents[0].restartAt], [at(10), null]);
  tell({ ...running, started_at: at(30) });
  assert.deepEqual(
    gaps.map(({ from, to }) => [from, to]),
    [[at(10), at(30)]],
  );
});

test("blind is not watching, and ends", () => {
  const { it, gaps, tell } = watching();
  tell(running, blind);
  assert.deepEqual(
    [it.isOn, it.incidents[0].kind, it.incidents[0].cause],
    [false, "blind", "ftrace is off"],
  );
  tell(running);
  assert.equal(it.incidents.length, 0);
  assert.deepEqual(
    gaps.map(({ from, to }) => [from, to]),
    [[at(10), at(40)]],
    "the time of recovery is unknown: use the time of the report",
  );
});

test("what somebody stopped, or what never ran, is no incident", () => {
  const { it, gaps, tell } = watching();
  tell(running, { ...running, state: "stopping" }, stopped);
  tell({ ...running, state: "starting" }, killed);
  assert.deepEqual([it.incidents, gaps], [[], []]);
});

test("a page that opens later tells of a failure too", () => {
  const { it, gaps, tell } = watching();
  tell(killed);
  assert.equal(it.incidents.length, 1);
  assert.deepEqual(gaps, [], "its place among the rows the service tells");
  tell(stopped);
  assert.equal(it.incidents.length, 0);
});

test("a service that was started again watches nothing, whatever it says of its probes", () => {
  for (const before of [running, killed]) {
    const { it, tell } = watching();
    tell(running, before);
    it.serviceRestarted(at(30));
    tell({ ...running, state: "stopped", started_at: null });
    assert.equal(it.incidents[0].kind, "service");
    assert.equal(it.isOn, false);
    tell({ ...running, started_at: at(35) });
    assert.equal(it.incidents.length, 0);
  }
});

test("a service that stops, and stops its probes before, leaves them unwatched", () => {
  const ended = { code: "stopping", detail: "the service stopped", at: at(20) };
  const { it, gaps, tell } = watching();
  tell(running, { ...running, state: "stopping" }, { ...stopped, ended });
  assert.deepEqual(
    it.incidents.map(({ cause, kind, since }) => [cause, kind, since]),
    [["the service stopped", "service", at(20)]],
  );
  assert.deepEqual(
    gaps.map(({ from, to, where }) => [from, to, where]),
    [[at(20), null, "unwatched"]],
  );
  it.serviceRestarted(at(21));
  tell({ ...stopped, started_at: null, ended: null });
  assert.equal(it.incidents[0].cause, "the service was restarted");
  tell({ ...running, started_at: at(35) });
  assert.deepEqual(it.incidents, []);
  assert.deepEqual(
    gaps.map(({ from, to }) => [from, to]),
    [[at(20), at(35)]],
  );
});

test("what did not run when the service stopped is no incident; what had failed stays one", () => {
  const ended = { code: "stopping", detail: "the service stopped", at: at(20) };
  const never = watching();
  never.tell({ ...stopped, ended });
  assert.deepEqual([never.it.incidents, never.gaps], [[], []]);
  const failed = watching();
  failed.tell(running, killed, { ...stopped, ended });
  assert.equal(failed.it.incidents[0].since, killed.ended.at);
  assert.equal(failed.gaps.length, 1);
});

test("a probe that a new service does not know is unwatched all the same", () => {
  const { it, gaps, tell } = watching();
  tell(running);
  it.serviceRestarted(at(21));
  it.forget("fexit", at(22));
  assert.equal(it.incidents.length, 1);
  assert.equal(gaps.at(-1).to, null);
  tell({ ...running, started_at: at(35) });
  assert.deepEqual([it.incidents.length, gaps.at(-1).to], [0, at(35)]);
});
