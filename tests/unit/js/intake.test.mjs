// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { Intake } from "../../../static/js/data/intake.js";
import { EventStore } from "../../../static/js/data/store.js";
import { batchOf } from "./batches.mjs";

const COLUMNS = [{ name: "pid", type: "uint32", title: "PID", unit: null, help: "" }];
const COUNTERS = { dropped_kernel: 0, dropped_pipe: 0, dropped_client: 0 };
const probe = (id, state) => ({ id, state, columns: COLUMNS, counters: COUNTERS });

function gaps(store) {
  const found = [];
  for (let row = store.first; row < store.end; row++) found.push(store.gapAt(row));
  return found;
}

test("a service that was started again leaves a gap for each probe that ran", () => {
  const store = new EventStore();
  const intake = new Intake(store);
  intake.hello({ client: 1, service: "a" });
  intake.probes([
    probe("fexit", "running"),
    probe("kprobe", "stopped"),
    probe("fentry", "running"),
  ]);
  intake.probes([probe("fentry", "stopped")]);
  intake.hello({ client: 2, service: "a" });
  assert.deepEqual(gaps(store), [], "the same service: its log tells what is missing");
  intake.disconnected();
  intake.hello({ client: 1, service: "b" });
  const [{ from, ...gap }] = gaps(store);
  assert.deepEqual(gap, { probe: "fexit", where: "unwatched", rows: null, to: null });
  assert.ok(Date.parse(from) <= Date.now());
  intake.probes([probe("fexit", "stopped"), probe("fentry", "stopped")]);
  intake.hello({ client: 1, service: "c" });
  assert.equal(gaps(store).length, 1, "nothing was active");
});

const CONNECTED_NS = 1_800_000_000_000_000_000n;

function batch(number, times) {
  return batchOf({ time: ["timestamp_ns", times] }, { batch: number });
}

/** Batches of so many rows that happened so long before or after the page was connected. */
function rateOf(...batches) {
  const intake = new Intake(new EventStore());
  intake.hello({
    client: 1,
    service: "a",
    time: new Date(Number(CONNECTED_NS / 1_000_000n)).toISOString(),
  });
  for (const [number, [rows, seconds]] of batches.entries()) {
    const time = CONNECTED_NS + BigInt(Math.round(seconds * 1e9));
    intake.take(batch(number, new Array(rows).fill(time)), 1000);
  }
  return { rate: intake.perSecond("fexit", 1999), received: intake.store.received };
}

test("what the service sends of recent events is no rate", () => {
  assert.deepEqual(rateOf([5000, -60], [5000, -1], [4000, -0.001]), { rate: 0, received: 14_000 });
  const { rate, received } = rateOf([5000, -60], [20, 0.5]);
  assert.equal(received, 5020);
  assert.ok(Math.abs(rate - 10) < 1, `${rate}`);
});

test("live rows count also when the clock was put back", () => {
  assert.ok(rateOf([5000, -60], [1, 0.5], [19, -3600]).rate > 9);
});

test("a time without a program is one row, whichever message reports it first", () => {
  const at = (second) => `2026-11-22T10:00:0${second}.000000Z`;
  const failed = {
    ...probe("fexit", "failed"),
    ended: { code: "tracer_failed", detail: "killed", at: at(2) },
  };
  const again = { ...probe("fexit", "running"), started_at: at(5) };
  const gap = { type: "gap", probe: "fexit", where: "unwatched", rows: null };
  const told = {
    "the states": (intake) => {
      intake.probes([failed]);
      intake.probes([again]);
      intake.gap({ ...gap, from: at(2), to: at(5) });
    },
    "a gap, then the states": (intake) => {
      intake.gap({ ...gap, from: at(2), to: null });
      intake.probes([failed]);
      intake.probes([again]);
    },
    "the end, then a gap": (intake) => {
      intake.probes([failed]);
      intake.gap({ ...gap, from: at(2), to: at(5) });
      intake.probes([again]);
    },
  };
  for (const [what, act] of Object.entries(told)) {
    const store = new EventStore();
    const intake = new Intake(store);
    intake.hello({ client: 1, service: "a" });
    intake.probes([probe("fexit", "running")]);
    act(intake);
    const gap = { probe: "fexit", where: "unwatched", rows: null, from: at(2), to: at(5) };
    assert.deepEqual(gaps(store), [gap], what);
    intake.gap({ ...gap, from: at(8), to: at(9) });
    assert.equal(gaps(store).length, 2, "another time is another row");
    assert.deepEqual(intake.losses.list(), []);
  }
});

test("how much of what came the service still has", () => {
  const intake = new Intake(new EventStore());
  intake.hello({ client: 1, service: "a", recent_bytes: 3 * (1000 + 256) });
  for (let n = 0; n < 10; n++) intake.take(batch(n, [CONNECTED_NS, CONNECTED_NS]), 0, 1000);
  assert.equal(intake.held.rows, 6);
  intake.hello({ client: 1, service: "b", recent_bytes: 1e9 });
  assert.equal(intake.held.rows, 0, "another run of the service has none of it");
});

test("what a probe counts is no row", () => {
  const store = new EventStore();
  const intake = new Intake(store);
  const totals = { calls: 5, groups: 2, ungrouped: 0 };
  const counted = { ...batch(0, [1n]), counts: totals };
  assert.equal(intake.counts("fexit"), null);
  assert.equal(intake.take(counted, 0), false);
  intake.skip(counted);
  assert.equal(store.events, 0);
  assert.deepEqual(intake.counts("fexit"), totals);
  intake.forget("fexit");
  assert.equal(intake.counts("fexit"), null);
});
