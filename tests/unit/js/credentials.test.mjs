// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { takeFromAddress, token } from "../../../static/js/net/credentials.js";

function storage() {
  const items = new Map();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => items.set(key, value),
    removeItem: (key) => items.delete(key),
  };
}

function taken(hash, search = "") {
  const kept = storage();
  const addresses = [];
  const history = {
    state: { a: 1 },
    replaceState: (state, _, url) => addresses.push([state, url]),
  };
  takeFromAddress({ hash, search, pathname: "/" }, history, kept);
  return { token: token(kept), addresses };
}

for (const [hash, expected, url] of [
  ["", null, null],
  ["#filter=x", null, null],
  ["#token=pd_a-b_c", "pd_a-b_c", "/"],
  ["#filter=a%26b&token=pd_x&sort=-time", "pd_x", "/#filter=a%26b&sort=-time"],
  ["#token=", null, "/"],
  ["#mytoken=x", null, null],
]) {
  test(`address ${hash || "without a fragment"}`, () => {
    const found = taken(hash);
    assert.equal(found.token, expected);
    assert.deepEqual(found.addresses, url === null ? [] : [[{ a: 1 }, url]]);
  });
}

test("a token in the query is none", () => {
  assert.deepEqual(taken("", "?token=pd_x"), { token: null, addresses: [] });
});
