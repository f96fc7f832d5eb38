// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { Backlog } from "../../../static/js/data/backlog.js";
import { Intake } from "../../../static/js/data/intake.js";
import { EventStore } from "../../../static/js/data/store.js";

/** A backlog in which taking a frame costs some milliseconds of a clock of its own. */
function flooded({ costMs, isHidden = false }) {
  let nowMs = 0;
  const planned = [];
  const [taken, skipped] = [[], []];
  const take = (frame) => {
    taken.push(frame);
    nowMs += costMs;
  };
  const clock = {
    nowMs: () => nowMs,
    later: (callback, ms) => planned.push([callback, ms]),
    isHidden: () => isHidden,
  };
  const backlog = new Backlog(take, (frame) => skipped.push(frame), 8 * 2 ** 20, clock);
  const pass = () => {
    const [callback, ms] = planned.shift();
    nowMs += ms;
    callback();
  };
  return { backlog, taken, skipped, planned, pass, wait: (ms) => (nowMs += ms) };
}

test("what comes at leisure is taken at once", () => {
  const { backlog, taken, planned, wait } = flooded({ costMs: 3 });
  for (let i = 0; i < 20; i++) {
    backlog.push(i, 1000);
    wait(20);
  }
  assert.equal(taken.length, 20);
  assert.equal(planned.length, 0);
});

test("what comes at once is taken in its order, a part in each moment", () => {
  const { backlog, taken, skipped, planned, pass } = flooded({ costMs: 3 });
  for (let i = 0; i < 200; i++) backlog.push(i, 1000);
  assert.ok(taken.length < 5, `${taken.length} taken: there is time to draw`);
  let moments = 0;
  for (; planned.length > 0; moments++) pass();
  assert.ok(moments > 30);
  assert.deepEqual(
    taken,
    Array.from({ length: 200 }, (_, i) => i),
  );
  assert.deepEqual(skipped, []);
});

test("when too much waits, the oldest is left out; every frame is one or the other", () => {
  const { backlog, taken, skipped, planned, pass } = flooded({ costMs: 3 });
  const megabyte = 2 ** 20;
  for (let i = 0; i < 50; i++) backlog.push(i, megabyte);
  while (planned.length > 0) pass();
  assert.deepEqual(
    [...taken, ...skipped].sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, i) => i),
  );
  assert.equal(skipped.length, 38);
  assert.deepEqual(taken.slice(-8), [42, 43, 44, 45, 46, 47, 48, 49]);
});

test("a hidden page draws nothing and takes all", () => {
  const { backlog, taken, planned } = flooded({ costMs: 3, isHidden: true });
  for (let i = 0; i < 200; i++) backlog.push(i, 2 ** 20);
  assert.equal(taken.length, 200);
  assert.equal(planned.length, 0);
});

test("what was left out is marked at its place, and counted as lost", () => {
  const store = new EventStore();
  const intake = new Intake(store);
  const columns = [{ name: "pid", type: "uint32", values: Uint32Array.of(1, 2), valid: null }];
  const batch = (number) => ({
    probe: "fexit",
    mode: "fexit",
    run: "1",
    batch: number,
    rows: 2,
    columns,
  });
  intake.hello({ client: 1 });
  intake.take(batch(0), 0);
  intake.skip(batch(1));
  intake.skip(batch(2));
  intake.take(batch(3), 0);
  assert.equal(store.received, 4);
  assert.deepEqual(store.gapAt(2), { probe: "fexit", where: "page", rows: 4 });
  assert.deepEqual(intake.losses.list(), [{ probe: "fexit", where: "page", rows: 4 }]);
  intake.clear();
  assert.deepEqual(intake.losses.list(), []);
  intake.skip(batch(2));
  assert.deepEqual(intake.losses.list(), [], "told again after a reconnect, it is not new");
});
