// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { Scroll } from "../../../static/js/ui/table/scroll.js";

const ROW_PX = 28;
const HEAD_PX = 64;

/** Numbers from 0 to 1 that are the same in each run (mulberry32). */
function randoms(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A FAKE of what scrolls, as a browser has it: the position is brought within its bounds by the
 * layout, and told of by an event that comes with the next frame.
 */
class Element {
  #scrollTop = 0;
  #isTold = true;
  #listeners = {};

  constructor() {
    this.clientHeight = 500;
    this.clientWidth = 900;
    this.body = { style: { height: "" } };
  }

  get scrollHeight() {
    return Math.max(this.clientHeight, HEAD_PX + Number.parseFloat(this.body.style.height || "0"));
  }

  get scrollTop() {
    const within = Math.min(this.#scrollTop, this.scrollHeight - this.clientHeight);
    if (within !== this.#scrollTop) this.#isTold = false;
    this.#scrollTop = within;
    return within;
  }

  set scrollTop(position) {
    const before = this.scrollTop;
    this.#scrollTop = Math.max(0, position);
    if (this.scrollTop !== before) this.#isTold = false;
  }

  addEventListener(name, listener) {
    this.#listeners[name] = [...(this.#listeners[name] ?? []), listener];
  }

  fire(name, event = {}) {
    for (const listener of this.#listeners[name] ?? []) listener(event);
  }

  frame() {
    void this.scrollTop;
    if (this.#isTold) return;
    this.#isTold = true;
    this.fire("scroll");
  }
}

/** A table that is followed, and what can happen to it. */
function followed(random) {
  const element = new Element();
  const room = () => element.clientHeight - HEAD_PX;
  const scroll = new Scroll(element, () => {}, room);
  const table = { rows: 1000, evicted: 0, known: room(), most: 1e9 };
  const pick = (...all) => all[Math.floor(random() * all.length)];
  const between = (low, high) => low + Math.floor(random() * (high - low));
  const render = () => {
    const { evicted } = table;
    table.evicted = 0;
    const stay = (offset) => offset - evicted * ROW_PX;
    scroll.settle(table.rows * ROW_PX, table.known, table.most, element.body, stay);
  };
  const happenings = {
    rowsCome: () => (table.rows += between(1, 40)),
    oldRowsLeave: () => {
      table.evicted = Math.min(table.rows, between(1, 40));
      table.rows -= table.evicted;
    },
    filter: () => (table.rows = pick(0, 1, 7, 15, 16, 17, 40, 4000)),
    resize: () => (element.clientHeight = between(120, 1400)),
    line: () => (element.clientHeight += pick(-34, -26, 26, 34)), // chips, a notice, a banner
    measured: () => (table.known = room()), // a ResizeObserver, which is later than the layout
    layout: () => void element.scrollTop,
    zoom: () => (table.most = pick(1e9, 30_000, 90_000)),
    wheelDown: () => element.fire("wheel", { deltaY: 100 }),
    zoomByWheel: () => element.fire("wheel", { deltaY: -100, ctrlKey: true }),
    frame: () => element.frame(),
    render,
  };
  return { element, scroll, table, happenings, pick, render };
}

for (let seed = 1; seed <= 300; seed++) {
  test(`whatever changes what is in sight, a table that followed follows: ${seed}`, () => {
    const { element, scroll, table, happenings, pick, render } = followed(randoms(seed));
    const done = [];
    for (let i = 0; i < 300; i++) {
      const name = pick(...Object.keys(happenings));
      done.push(name);
      happenings[name]();
      assert.ok(scroll.isFollowing, `it stopped after ${done.slice(-12).join(", ")}`);
    }
    table.known = element.clientHeight - HEAD_PX;
    render();
    const end = element.scrollHeight - element.clientHeight;
    assert.ok(Math.abs(element.scrollTop - end) < 1, `${element.scrollTop}, not ${end}`);
    assert.equal(scroll.scrollWindow.offset, scroll.scrollWindow.last);
  });
}

const UPWARD = {
  "the wheel": (element) => element.fire("wheel", { deltaY: -100 }),
  "the scroll bar": (element) => {
    element.fire("pointerdown");
    element.clientHeight += 30; // in the same moment
    element.scrollTop -= 300;
    element.frame();
  },
  "a finger": (element) => {
    element.fire("touchstart", { touches: [{ clientY: 100 }] });
    element.fire("touchmove", { touches: [{ clientY: 103 }] });
    element.fire("touchmove", { touches: [{ clientY: 140 }] });
  },
  "a screen reader, or anything else that moves it": (element) => {
    element.scrollTop = 0;
    element.frame();
  },
};

for (const [what, act] of Object.entries(UPWARD)) {
  test(`${what} leaves the newest, and the end brings it back`, () => {
    const { element, scroll, table, happenings, render } = followed(randoms(1));
    render();
    render();
    element.frame();
    act(element);
    assert.ok(!scroll.isFollowing);
    happenings.rowsCome();
    table.known = element.clientHeight - HEAD_PX;
    render();
    assert.ok(!scroll.isFollowing);
    element.scrollTop = 1e9;
    element.frame();
    assert.ok(scroll.isFollowing);
  });
}

test("where nothing is above, nothing upward stops it", () => {
  const { element, scroll, table, render } = followed(randoms(1));
  table.rows = 3;
  render();
  element.fire("wheel", { deltaY: -100 });
  assert.ok(scroll.isFollowing);
});
