// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { Losses } from "../../../static/js/data/losses.js";
import { Rate } from "../../../static/js/data/rate.js";
import { Replay } from "../../../static/js/data/replay.js";
import { backoffMs } from "../../../static/js/net/backoff.js";
import { problemError } from "../../../static/js/net/problem.js";
import { numbers } from "./batches.mjs";

const frame = (batch, run = "1", probe = "fexit") => ({ probe, run, batch });

test("after a reconnect, batches that came before are not taken again", () => {
  const replay = new Replay();
  replay.connected();
  for (const batch of [0, 1, 2]) assert.ok(replay.take(frame(batch)).isNew);
  replay.connected();
  assert.deepEqual(
    [1, 2, 3, 4].map((batch) => replay.take(frame(batch)).isNew),
    [false, false, true, true],
  );
  assert.ok(replay.take(frame(0, "2")).isNew, "another run numbers from 0");
  assert.ok(replay.take(frame(0, "1", "kprobe")).isNew, "another probe too");
});

test("batches that the server no longer held are noticed once, and only after a reconnect", () => {
  const replay = new Replay();
  replay.connected();
  assert.equal(replay.take(frame(5)).isAfterHole, false, "a run may be older than the page");
  assert.equal(replay.take(frame(9)).isAfterHole, false, "a gap message tells of that");
  replay.connected();
  assert.equal(replay.take(frame(20)).isAfterHole, true);
  assert.equal(replay.take(frame(30)).isAfterHole, false);
  replay.connected();
  assert.equal(replay.take(frame(31)).isAfterHole, false);
});

test("gaps told again after a reconnect are marked once", () => {
  const replay = new Replay();
  const gap = { probe: "fexit", where: "kernel", rows: 3 };
  replay.connected();
  assert.equal(replay.takeGap(gap), true);
  replay.take(frame(0));
  replay.take(frame(1));
  replay.connected();
  assert.equal(replay.takeGap(gap), false);
  assert.deepEqual(replay.take(frame(1)).gaps, []);
  const later = { ...gap, rows: 4 };
  assert.equal(replay.takeGap(later), false);
  assert.deepEqual(replay.take(frame(2)).gaps, [later]);
  assert.equal(replay.takeGap(gap), true, "live again");
});

test("a rate counts the last two seconds", () => {
  const rate = new Rate();
  assert.equal(rate.perSecond(5), 0);
  for (let ms = 0; ms < 10_000; ms += 50) rate.add(1000, ms);
  assert.ok(Math.abs(rate.perSecond(9_999) - 20_000) < 600, `${rate.perSecond(9_999)}`);
  assert.equal(rate.perSecond(12_500), 0);
});

const at = (second) => new Date(second * 1000).toISOString();

const probe = (counters, started_at = 1, clients = []) => ({
  id: "fexit",
  started_at: at(started_at),
  clients,
  counters: { dropped_kernel: 0, dropped_pipe: 0, dropped_client: 0, ...counters },
});

test("losses are told by probe and place; what another client missed is not this page's", () => {
  const losses = new Losses();
  losses.update(probe({ dropped_kernel: 4, dropped_pipe: 0, dropped_client: 99 }), 7);
  assert.deepEqual(losses.list(), [{ probe: "fexit", where: "kernel", rows: 4 }]);
  losses.update(
    probe({ dropped_kernel: 4 }, 1, [{ client: 7, counters: { dropped_client: 2 } }]),
    7,
  );
  assert.deepEqual(
    losses.list().map(({ where, rows }) => [where, rows]),
    [
      ["kernel", 4],
      ["client", 2],
    ],
  );
});

test("a time without programs is no number of lost events", () => {
  const losses = new Losses();
  losses.gap({ probe: "fexit", where: "unwatched", rows: null, from: null, to: null });
  assert.deepEqual(losses.list(), []);
  losses.gap({ probe: "fexit", where: "pipe", rows: 2, from: null, to: null });
  assert.deepEqual(losses.list(), [{ probe: "fexit", where: "pipe", rows: 2 }]);
});

test("gap messages and the ledger tell of the same rows", () => {
  const losses = new Losses();
  losses.update(probe({}), 1);
  losses.gap({ probe: "fexit", where: "kernel", rows: 3 });
  assert.deepEqual(
    losses.list().map(({ rows }) => rows),
    [3],
  );
  losses.update(probe({ dropped_kernel: 3 }), 1);
  assert.deepEqual(
    losses.list().map(({ rows }) => rows),
    [3],
  );
  losses.gap({ probe: "fexit", where: "kernel", rows: 3 });
  assert.deepEqual(
    losses.list().map(({ rows }) => rows),
    [6],
  );
  losses.connected();
  losses.update(probe({ dropped_kernel: 6 }), 2);
  losses.gap({ probe: "fexit", where: "kernel", rows: 3 });
  assert.deepEqual(
    losses.list().map(({ rows }) => rows),
    [6],
  );
});

test("what this page missed on an earlier connection stays counted", () => {
  const losses = new Losses();
  const own = (client, dropped_client) => probe({}, 1, [{ client, counters: { dropped_client } }]);
  losses.update(own(7, 5), 7);
  losses.connected();
  losses.update(own(8, 0), 8);
  losses.update(own(8, 2), 8);
  assert.deepEqual(losses.list(), [{ probe: "fexit", where: "client", rows: 7 }]);
});

test("what earlier runs lost stays counted, until cleared", () => {
  const losses = new Losses();
  losses.update(probe({ dropped_kernel: 5 }, 1), 1);
  losses.update(probe({ dropped_kernel: 0 }, 2), 1);
  losses.update(probe({ dropped_kernel: 2 }, 2), 1);
  assert.deepEqual(
    losses.list().map(({ rows }) => rows),
    [7],
  );
  losses.clear();
  assert.deepEqual(losses.list(), []);
  losses.update(probe({ dropped_kernel: 3 }, 2), 1);
  assert.deepEqual(
    losses.list().map(({ rows }) => rows),
    [1],
  );
});

test("each loss counts once, whenever the page connects and however late gaps are replayed", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const chance = numbers(seed);
    const below = (n) => (chance.next().value >>> 8) % n;
    // What the service has told, in order: starts and gaps, as of counters that start at 0.
    const history = [];
    const counters = { kernel: 0, pipe: 0 };
    let second = 0;
    const tell = () => {
      second += 1 + below(3);
      if (history.length === 0 || below(4) === 0) {
        counters.kernel = counters.pipe = 0;
        history.push({ started: second });
        return;
      }
      const [where, rows] = [["kernel", "pipe"][below(2)], 1 + below(9)];
      counters[where] += rows;
      history.push({ gap: { probe: "fexit", where, rows, from: null, to: at(second) } });
    };
    const latest = () =>
      probe(
        { dropped_kernel: counters.kernel, dropped_pipe: counters.pipe },
        history.findLast(({ started }) => started).started,
      );
    const expected = () => history.reduce((sum, { gap }) => sum + (gap?.rows ?? 0), 0);

    const losses = new Losses(() => 0);
    for (let told = 1 + below(8); told > 0; told--) tell();
    for (let connection = 0; connection < 3; connection++) {
      losses.connected();
      losses.update(latest(), 1);
      let replayed = 0;
      while (replayed < history.length) {
        if (below(3) === 0 && history.length < 40) {
          tell();
          losses.update(latest(), 1); // states overtake what is replayed
        } else {
          const { gap } = history[replayed++];
          if (gap) losses.gap(gap);
        }
      }
      assert.equal(losses.total, expected(), `seed ${seed}, connection ${connection}`);
      if (below(4) === 0) {
        const restore = losses.clear();
        assert.equal(losses.total, 0);
        restore();
        assert.equal(losses.total, expected());
      }
      for (let missed = below(5); missed > 0; missed--) tell();
    }
  }
});

test("of a probe that fails again and again, all losses stay counted", () => {
  const losses = new Losses();
  const gap = (second) => ({ probe: "fexit", where: "pipe", rows: 2, to: at(second) });
  for (let second = 1; second <= 500; second++) {
    losses.update(probe({}, second), 1);
    losses.gap(gap(second));
    losses.update(probe({ dropped_pipe: 2 }, second), 1);
  }
  assert.equal(losses.total, 1000);
  losses.connected();
  for (let second = 1; second <= 500; second++) losses.gap(gap(second));
  assert.equal(losses.total, 1000);
});

test("the wait doubles up to 15 s and is spread at random", () => {
  const longest = () => 0;
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 50].map((n) => backoffMs(n, longest)),
    [500, 1000, 2000, 4000, 8000, 15000, 15000],
  );
  assert.equal(
    backoffMs(1, () => 0.999999),
    333,
  );
});

test("an answer that is no problem document still has its status", () => {
  assert.match(problemError(502, null).message, /502/);
});

test("when rows were lost is when the service says, or now; never when the page was loaded", () => {
  const losses = new Losses(() => 5000);
  const probe = {
    id: "fexit",
    started_at: at(1),
    counters: { dropped_kernel: 3, dropped_pipe: 0 },
  };
  losses.update(probe, 1);
  assert.equal(losses.total, 3);
  assert.equal(losses.lastAt, null, "that was before");
  losses.gap({ probe: "fexit", where: "kernel", rows: 3, to: "1970-01-01T00:00:02.000000Z" });
  assert.equal(losses.total, 3);
  assert.equal(losses.lastAt, 2000);
  losses.gap({ probe: "fexit", where: "kernel", rows: 1, to: "1970-01-01T00:00:01.000000Z" });
  assert.equal(losses.lastAt, 2000, "told later, but lost before");
  losses.update({ ...probe, counters: { dropped_kernel: 9, dropped_pipe: 0 } }, 1);
  assert.equal(losses.lastAt, 5000);
});
