// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { ScrollWindow } from "../../../static/js/ui/table/window.js";

const ROOM = 600;

/** Scroll as a browser does: never beyond the element. */
function scroll(span, position) {
  span.moved(Math.min(Math.max(0, position), span.height - ROOM));
}

test("a table that fits is scrolled as it is", () => {
  const span = new ScrollWindow();
  span.resize(28_000, ROOM, 1e9);
  assert.equal(span.height, 28_000);
  for (const position of [0, 40, 12_000, 12_010, 27_400, 3]) {
    scroll(span, position);
    assert.deepEqual([span.offset, span.position, span.shift], [position, position, 0]);
  }
});

function near(value, expected) {
  assert.ok(Math.abs(value - expected) < 1e-6, `${value}, not ${expected}`);
}

for (const most of [17_895_697, 8_388_607, 1_000_000]) {
  test(`all of a table is reached in an element of at most ${most} px`, () => {
    const span = new ScrollWindow();
    span.resize(28_000_000, ROOM, most);
    assert.equal(span.height, most);
    scroll(span, most);
    assert.equal(span.offset, 28_000_000 - ROOM);
    scroll(span, 0);
    assert.equal(span.offset, 0);
    scroll(span, most / 2);
    assert.ok(Math.abs(span.offset - 14_000_000) < ROOM * 28);
    // The wheel moves the rows by what it moves, and then they need not be moved by us.
    const { offset, shift } = span;
    scroll(span, most / 2 + 100);
    assert.equal(span.offset, offset + 100);
    near(span.shift, shift);
    // Rows stand where the window is: the one at the top at the scroll position.
    near(span.offset + span.shift, most / 2 + 100);
    span.placed(span.position);
    assert.equal(span.offset, offset + 100);
    near(span.offset + span.shift, span.position);
  });

  test(`step by step, up and down, the ends are reached and nothing is skipped below ${most} px`, () => {
    const span = new ScrollWindow();
    span.resize(28_000_000, ROOM, most);
    span.offset = 27_990_000;
    span.placed(span.position);
    let before = span.offset;
    for (let i = 0; span.offset < span.last; i++) {
      assert.ok(i < 1000);
      scroll(span, span.position + 100);
      assert.ok(span.offset > before && span.offset - before <= 100 * (28_000_000 / most) + 100);
      before = span.offset;
      span.placed(span.position);
    }
    span.offset = 5000;
    span.placed(span.position);
    for (let i = 0; span.offset > 0; i++) {
      assert.ok(i < 1000);
      scroll(span, span.position - 100);
      span.placed(span.position);
    }
  });
}

test("what is in sight stays within the table when it shrinks or fits the window", () => {
  const span = new ScrollWindow();
  span.resize(28_000, ROOM, 1e9);
  scroll(span, 20_000);
  span.resize(10_000, ROOM, 1e9);
  assert.equal(span.offset, 9400);
  span.resize(100, ROOM, 1e9);
  assert.deepEqual([span.offset, span.position, span.last], [0, 0, 0]);
});
