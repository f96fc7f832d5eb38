// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { nameUsersBy, presentation } from "../../../static/js/format/presentation.js";
import { CallError } from "../../../static/js/net/problem.js";
import { Users } from "../../../static/js/net/users.js";

const KNOWN = [
  { uid: 0, name: "root", aliases: ["toor"] },
  { uid: 1000, name: "alice", aliases: [] },
  { uid: 65534, name: "nobody", aliases: ["4nobody"] },
];

/** Users whose questions are noted, answered when `settle` is called. */
function asking({ fails = 0, known = KNOWN } = {}) {
  const asked = [];
  const waits = [];
  let changes = 0;
  const ask = async (uids, names) => {
    asked.push([uids, names]);
    if (fails-- > 0) throw new CallError("not now");
    return known
      .map((user) => ({ ...user, aliases: user.aliases.filter((name) => names.includes(name)) }))
      .filter(
        ({ uid, name, aliases }) =>
          uids.includes(uid) || names.includes(name) || aliases.length > 0,
      );
  };
  const clock = { later: (callback, ms) => waits.push([callback, ms]), nowMs: () => 0 };
  const users = new Users(ask, () => changes++, clock);
  const settle = async () => {
    const [callback, ms] = waits.shift();
    await callback();
    return ms;
  };
  return { users, asked, waits, settle, changes: () => changes };
}

test("numbers are asked for together, once, and then have names", async () => {
  const { users, asked, waits, settle, changes } = asking();
  for (const uid of [1000, 0, 4711, 1000]) assert.equal(users.nameOf(uid), undefined);
  assert.equal(waits.length, 1);
  await settle();
  assert.deepEqual(asked, [[[1000, 0, 4711], []]]);
  assert.deepEqual(
    [1000, 0, 4711].map((uid) => users.nameOf(uid)),
    ["alice", "root", undefined],
  );
  assert.deepEqual([asked.length, waits.length, changes()], [1, 0, 1], "no name is an answer too");
});

test("a typed name is asked for; other letters, signs and digits are no names", async () => {
  const { users, asked, settle, changes } = asking();
  assert.equal(users.numberOf("alice"), undefined);
  assert.equal(users.numberOf("1000"), undefined);
  assert.equal(users.numberOf("-5"), undefined);
  await settle();
  assert.deepEqual(asked, [[[], ["alice"]]]);
  assert.deepEqual(
    ["alice", "ALICE", "nobody"].map((name) => users.numberOf(name)),
    [1000, 1000, undefined],
  );
  assert.equal(users.nameOf(1000), "alice");
  assert.equal(changes(), 1);
  await settle();
  assert.equal(users.numberOf("nobody"), 65534);
});

test("a second name of a number is known too, and the number keeps its first", async () => {
  const { users, asked, settle } = asking();
  for (const name of ["toor", "4nobody"]) assert.equal(users.numberOf(name), undefined);
  await settle();
  assert.deepEqual(asked, [[[], ["toor", "4nobody"]]]);
  assert.deepEqual([users.numberOf("toor"), users.numberOf("TOOR")], [0, 0]);
  assert.deepEqual([users.nameOf(0), users.numberOf("root")], ["root", 0]);
  assert.equal(users.numberOf("4nobody"), 65534);
});

test("at most a hundred at once, the others behind", async () => {
  const { users, asked, settle, waits } = asking();
  for (let uid = 0; uid < 250; uid++) users.nameOf(uid);
  for (let i = 0; i < 3; i++) await settle();
  assert.deepEqual(
    asked.map(([uids]) => uids.length),
    [100, 100, 50],
  );
  assert.equal(waits.length, 0);
});

test("a refused question is asked again, later", async () => {
  const { users, asked, settle } = asking({ fails: 1 });
  users.nameOf(0);
  const first = await settle();
  assert.equal(users.nameOf(0), undefined);
  assert.ok((await settle()) > first);
  assert.equal(users.nameOf(0), "root");
  assert.equal(asked.length, 2);
});

test("the user column shows names, and numbers for users without a name", async () => {
  const { users, settle } = asking({ known: [{ uid: 1000, name: "ali\u202ece", aliases: [] }] });
  nameUsersBy(users);
  const look = presentation({ name: "uid", type: "uint32", unit: null });
  const shown = (uid) =>
    look
      .parts(uid)
      .map(({ text }) => text)
      .join("");
  assert.equal(shown(1000), "1000");
  assert.equal(look.hover(4711), "4711");
  await settle();
  assert.equal(shown(1000), "aliU+202Ece");
  assert.equal(look.hover(1000), "1000 aliU+202Ece");
  assert.deepEqual(look.notes(1000), ["aliU+202Ece"]);
  assert.deepEqual([shown(4711), look.hover(4711), look.notes(4711)], ["4711", "4711", []]);
  assert.equal(look.numberOf("ali\u202ece"), 1000);
});
