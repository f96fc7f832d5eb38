// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { Changes } from "../../../static/js/probes/changes.js";

const probe = (at, who = "token lab1", what = "stopped") => ({
  id: "fexit",
  changed_by: at && { who, what, at },
});

test("a change by another client is news once, but not one made before the page connected", () => {
  const changes = new Changes();
  changes.allow({ name: "uid 0" });
  assert.deepEqual(changes.news([probe("t1")]), []);
  assert.deepEqual(changes.news([probe("t1")]), []);
  assert.deepEqual(changes.news([probe("t2")]), ["token lab1 stopped fexit for everyone."]);
  assert.deepEqual(changes.news([probe("t2"), probe("t1")]), []);
  assert.deepEqual(changes.news([probe("t3", "uid 7", "filter")]), [
    "uid 7 changed the kernel filter of fexit for everyone.",
  ]);
  assert.deepEqual(changes.news([probe("t4", "uid 7", "unheard of")]), []);
});

test("the first change of a probe is news", () => {
  const changes = new Changes();
  changes.news([probe(null)]);
  assert.equal(changes.news([probe("t1", "uid 7", "started")]).length, 1);
});

test("what this page did is no news, whichever of answer and state comes first", async () => {
  const changes = new Changes();
  changes.allow({ name: "uid 0" });
  changes.news([probe(null)]);
  await changes.during("fexit", async () => {
    assert.deepEqual(changes.news([probe("t1", "uid 0")]), []);
    assert.equal(changes.news([probe("t2")]).length, 1, "another, in the same moment");
    return probe("t3", "uid 0");
  });
  assert.deepEqual(changes.news([probe("t3", "uid 0")]), []);
  assert.equal(changes.news([probe("t4", "uid 0")]).length, 1, "another page of the same person");
});
