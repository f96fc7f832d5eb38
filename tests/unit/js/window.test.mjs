// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { ScrollWindow } from "../../../static/js/ui/table/window.js";

const ROOM = 600;

/** Scroll as a browser does: never beyond the element. */
function scroll(window, position) {
  window.moved(Math.min(Math.max(0, position), window.height - ROOM));
}

test("a table that fits is scrolled as it is", () => {
  const window = new ScrollWindow();
  window.resize(28_000, ROOM, 1e9);
  assert.equal(window.height, 28_000);
  for (const position of [0, 40, 12_000, 12_010, 27_400, 3]) {
    scroll(window, position);
    assert.deepEqual([window.offset, window.position, window.shift], [position, position, 0]);
  }
});

function near(value, expected) {
  assert.ok(Math.abs(value - expected) < 1e-6, `${value}, not ${expected}`);
}

for (const most of [17_895_697, 8_388_607, 1_000_000]) {
  test(`all of a table is reached in an element of at most ${most} px`, () => {
    const window = new ScrollWindow();
    window.resize(28_000_000, ROOM, most);
    assert.equal(window.height, most);
    scroll(window, most);
    assert.equal(window.offset, 28_000_000 - ROOM);
    scroll(window, 0);
    assert.equal(window.offset, 0);
    scroll(window, most / 2);
    assert.ok(Math.abs(window.offset - 14_000_000) < ROOM * 28);
    // The wheel moves the rows by what it moves, and then they need not be moved by us.
    const { offset, shift } = window;
    scroll(window, most / 2 + 100);
    assert.equal(window.offset, offset + 100);
    near(window.shift, shift);
    // Rows stand where the window is: the one at the top at the scroll position.
    near(window.offset + window.shift, most / 2 + 100);
    window.placed(window.position);
    assert.equal(window.offset, offset + 100);
    near(window.offset + window.shift, window.position);
  });

  test(`step by step, up and down, the ends are reached and nothing is skipped below ${most} px`, () => {
    const window = new ScrollWindow();
    window.resize(28_000_000, ROOM, most);
    window.offset = 27_990_000;
    window.placed(window.position);
    let before = window.offset;
    for (let i = 0; window.offset < window.last; i++) {
      assert.ok(i < 1000);
      scroll(window, window.position + 100);
      assert.ok(
        window.offset > before && window.offset - before <= 100 * (28_000_000 / most) + 100,
      );
      before = window.offset;
      window.placed(window.position);
    }
    window.offset = 5000;
    window.placed(window.position);
    for (let i = 0; window.offset > 0; i++) {
      assert.ok(i < 1000);
      scroll(window, window.position - 100);
      window.placed(window.position);
    }
  });
}

test("what is in sight stays within the table when it shrinks or fits the window", () => {
  const window = new ScrollWindow();
  window.resize(28_000, ROOM, 1e9);
  scroll(window, 20_000);
  window.resize(10_000, ROOM, 1e9);
  assert.equal(window.offset, 9400);
  window.resize(100, ROOM, 1e9);
  assert.deepEqual([window.offset, window.position, window.last], [0, 0, 0]);
});
