// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, test } from "node:test";

import { Credentials, takeFromAddress } from "../../../static/js/net/credentials.js";
import { clientProof, isServerProof, keyOf } from "../../../static/js/net/proof.js";
import { removeServiceWorkers } from "../../../static/js/net/service_workers.js";

const CASES = JSON.parse(readFileSync(new URL("../../vectors/signin.json", import.meta.url)));
const ORIGIN = "http://localhost:5000";
const realFetch = globalThis.fetch;
afterEach(() => {
  globalThis.fetch = realFetch;
});

function taken(hash, search = "") {
  const addresses = [];
  const history = {
    state: { a: 1 },
    replaceState: (state, _, url) => addresses.push([state, url]),
  };
  const token = takeFromAddress({ hash, search, pathname: "/" }, history);
  return { token, addresses };
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

test("a token in the query is ignored", () => {
  assert.deepEqual(taken("", "?token=pd_x"), { token: null, addresses: [] });
});

for (const { name, token, client_mac, server_mac, ...shown } of CASES) {
  test(`proofs are the service's: ${name}`, async () => {
    const key = await keyOf(token);
    assert.equal(key.extractable, false);
    assert.equal(await clientProof(key, shown), client_mac);
    assert.equal(await isServerProof(key, { ...shown, mac: server_mac }), true);
    for (const wrong of [
      { mac: client_mac },
      { mac: "0".repeat(64) },
      { mac: "" },
      { mac: undefined },
      { mac: server_mac, session: "ps_other" },
      { mac: server_mac, session: undefined },
      { mac: server_mac, origin: "http://localhost:5001" },
    ])
      assert.equal(await isServerProof(key, { ...shown, ...wrong }), false, JSON.stringify(wrong));
  });
}

/** A store of keys that holds one. */
function keys() {
  const kept = { key: null };
  return {
    kept,
    readKey: async () => kept.key,
    writeKey: async (key) => {
      kept.key = key;
    },
    deleteKey: async () => {
      kept.key = null;
    },
  };
}

/** What answers on the port: with the case's challenge, session and proof, or as told. */
function port(answers = {}) {
  const sent = [];
  globalThis.fetch = async (path, { method, headers }) => {
    sent.push([method, path, headers.Authorization]);
    const [status, body] = answers[method] ?? [404, {}];
    return {
      ok: status < 400,
      status,
      json: async () => {
        if (body === null) throw new SyntaxError("not JSON");
        return body;
      },
    };
  };
  return sent;
}

async function honest(token) {
  const key = await keyOf(token);
  const sent = port();
  globalThis.fetch = async (_path, { method, headers }) => {
    sent.push([method, headers.Authorization]);
    const challenge = "1.2.3";
    if (method === "GET") return { ok: true, status: 200, json: async () => ({ challenge }) };
    const nonce = /nonce=([0-9a-f]+)/.exec(headers.Authorization)[1];
    const session = `ps_${sent.length}`;
    const text = ["probedeck sign-in 1", "server", ORIGIN, challenge, nonce, session].join("\n");
    const bytes = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(text));
    const mac = Buffer.from(bytes).toString("hex");
    return { ok: true, status: 201, json: async () => ({ session, lifetime_s: 1, mac }) };
  };
  return sent;
}

test("concurrent callers share one session; each connect opens a new one", async () => {
  const sent = await honest("pd_x");
  const credentials = new Credentials(keys(), ORIGIN);
  await credentials.use("pd_x");
  assert.deepEqual(credentials.subprotocols(), []);
  const [first, second] = await Promise.all([
    credentials.authorization(),
    credentials.authorization(),
    credentials.signIn(),
  ]);
  assert.deepEqual(first, { Authorization: "Bearer ps_2" });
  assert.deepEqual(second, first);
  assert.deepEqual(credentials.subprotocols(), ["probedeck.v1", "bearer.ps_2"]);
  await credentials.signIn();
  assert.deepEqual(credentials.subprotocols(), ["probedeck.v1", "bearer.ps_4"]);
  credentials.leave("Bearer ps_2");
  assert.deepEqual(await credentials.authorization(), { Authorization: "Bearer ps_4" });
  credentials.leave("Bearer ps_4");
  assert.deepEqual(await credentials.authorization(), { Authorization: "Bearer ps_6" });
  assert.doesNotMatch(JSON.stringify(sent), /pd_x/);
});

test("after a reload the key is there, and after forgetting it is not", async () => {
  await honest("pd_x");
  const store = keys();
  await new Credentials(store, ORIGIN).use("pd_x");
  const reloaded = new Credentials(store, ORIGIN);
  assert.deepEqual(await reloaded.authorization(), { Authorization: "Bearer ps_2" });
  await reloaded.forget();
  assert.equal(store.kept.key, null);
  assert.deepEqual(await reloaded.authorization(), {});
  assert.deepEqual(await new Credentials(store, ORIGIN).authorization(), {});
});

test("without a token nothing is sent", async () => {
  const sent = port();
  const credentials = new Credentials(keys(), ORIGIN);
  await credentials.signIn();
  assert.deepEqual(await credentials.authorization(), {});
  assert.deepEqual(sent, []);
});

for (const [what, answers, code] of [
  ["no such route", {}, "stranger"],
  ["no JSON", { GET: [200, null] }, "stranger"],
  ["a list", { GET: [200, ["challenge"]] }, "stranger"],
  ["null", { GET: [200, 5] }, "stranger"],
  ["no challenge", { GET: [200, {}] }, "stranger"],
  ["a challenge with a header in it", { GET: [200, { challenge: "1\r\nX: y" }] }, "stranger"],
  ["no proof", { GET: [200, { challenge: "1.2" }], POST: [201, { session: "ps_1" }] }, "stranger"],
  [
    "a wrong proof",
    { GET: [200, { challenge: "1.2" }], POST: [201, { session: "ps_1", mac: "0".repeat(64) }] },
    "stranger",
  ],
  [
    "a refusal",
    { GET: [200, { challenge: "1.2" }], POST: [401, { code: "bad_token", detail: "No." }] },
    "bad_token",
  ],
]) {
  test(`who cannot prove that it is the service is shown no session: ${what}`, async () => {
    const sent = port(answers);
    const credentials = new Credentials(keys(), ORIGIN);
    await credentials.use("pd_x");
    await assert.rejects(credentials.signIn(), { code });
    assert.deepEqual(credentials.subprotocols(), []);
    assert.doesNotMatch(JSON.stringify(sent), /pd_x|Bearer/);
  });
}

test("service workers, which are another program's, are removed", async () => {
  const removed = [];
  const registration = (name) => ({ unregister: async () => removed.push(name) });
  await removeServiceWorkers({
    getRegistrations: async () => [registration("a"), registration("b")],
  });
  await removeServiceWorkers(null);
  assert.deepEqual(removed, ["a", "b"]);
});
