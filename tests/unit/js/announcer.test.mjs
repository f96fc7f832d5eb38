// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { Announcer, MIN_INTERVAL_MS } from "../../../static/js/ui/page/announcer.js";

function heard() {
  const said = [];
  const region = {
    get textContent() {
      return said.at(-1) ?? "";
    },
    set textContent(text) {
      said.push(text);
    },
  };
  return { said, announcer: new Announcer(region) };
}

test("many events are one sentence, and the next comes only after a while", () => {
  const { said, announcer } = heard();
  for (let ms = 0; ms <= MIN_INTERVAL_MS; ms += 100) announcer.update(100 + ms, 0, ms);
  assert.deepEqual(said, [
    "100 new events",
    `${MIN_INTERVAL_MS.toLocaleString("en-US")} new events`,
  ]);
});

test("nothing new is nothing said", () => {
  const { said, announcer } = heard();
  announcer.update(0, 0, 0);
  announcer.update(1, 0, 1);
  announcer.update(1, 0, 10 * MIN_INTERVAL_MS);
  assert.deepEqual(said, ["1 new event"]);
});

test("losses are said, alone or with events", () => {
  const { said, announcer } = heard();
  announcer.update(120, 3, 0);
  announcer.update(120, 5, MIN_INTERVAL_MS);
  assert.deepEqual(said, ["120 new events, 3 lost", "2 lost"]);
});

test("after counting has started again only what came since is said", () => {
  const { said, announcer } = heard();
  announcer.update(120, 3, 0);
  announcer.update(0, 0, 1);
  announcer.update(5, 0, MIN_INTERVAL_MS);
  assert.deepEqual(said, ["120 new events, 3 lost", "5 new events"]);
});
