// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { readParameter, writeParameter } from "../../../static/js/ui/page/address.js";

test("parameters are read by name", () => {
  assert.equal(readParameter("#filter=comm%3Drm&sort=-time", "filter"), "comm=rm");
  assert.equal(readParameter("#filter=comm=rm%20x", "filter"), "comm=rm x");
  assert.equal(readParameter("#sort=a", "filter"), null);
  assert.equal(readParameter("#filter", "filter"), null);
  assert.equal(readParameter("#filter=", "filter"), "");
  assert.equal(readParameter("", "filter"), null);
});

test("rubbish is no value, and does not stop the page", () => {
  assert.equal(readParameter("#filter=%E0%A4%A", "filter"), null);
  assert.equal(readParameter("#%=1&&&=&filter=x", "filter"), "x");
});

test("a parameter is changed, added and taken away; others stay as they are, whatever they are", () => {
  const others = "token=a%2fb+c&%zz=1&flag";
  assert.equal(
    writeParameter(`#${others}&filter=x&sort=y`, "filter", "a b&c=d#"),
    `#${others}&filter=a%20b%26c=d%23&sort=y`,
  );
  assert.equal(writeParameter(`#${others}`, "filter", "rm"), `#${others}&filter=rm`);
  assert.equal(writeParameter(`#filter=x&${others}`, "filter", null), `#${others}`);
  assert.equal(writeParameter("#filter=x", "filter", null), "");
  assert.equal(writeParameter("#filter=x&filter=y", "filter", "z"), "#filter=z");
});

test("every text comes back", () => {
  for (const text of ["comm=rm (a or b)", '"\u202e"', "100%", "a&b=c#d", "é😀", "+ +", "~*/:,@!"]) {
    assert.equal(readParameter(writeParameter("#x=1", "filter", text), "filter"), text);
  }
  assert.equal(readParameter(writeParameter("", "filter", "\ud800"), "filter"), "\ufffd");
});
