// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { Intake } from "../../../static/js/data/intake.js";
import { EventStore } from "../../../static/js/data/store.js";

const COLUMNS = [{ name: "pid", type: "uint32", title: "PID", unit: null, help: "" }];
const COUNTERS = { dropped_kernel: 0, dropped_pipe: 0, dropped_client: 0 };
const probe = (id, state) => ({ id, state, columns: COLUMNS, counters: COUNTERS });

function marks(store) {
  const found = [];
  for (let row = store.first; row < store.end; row++) found.push(store.markAt(row));
  return found;
}

test("a service that was started again leaves a mark for each probe that was active", () => {
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
  assert.deepEqual(marks(store), [], "the same service: its log tells what is missing");
  intake.hello({ client: 1, service: "b" });
  const mark = { probe: "fexit", where: "restart", rows: null };
  assert.deepEqual(marks(store), [mark]);
  intake.probes([probe("fexit", "stopped"), probe("fentry", "stopped")]);
  intake.hello({ client: 1, service: "c" });
  assert.deepEqual(marks(store), [mark], "nothing was active");
});
