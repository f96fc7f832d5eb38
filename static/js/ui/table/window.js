// SPDX-License-Identifier: Apache-2.0

// The part of a long table that is visible. Browsers limit the height of an element (Chromium to
// 33,554,428 px, at 200% zoom to half of that; Firefox to 17,895,697 px), and a million rows can be
// taller. So `offset` is authoritative and the scroll position follows it: small movements move
// the rows by as many pixels, large ones (dragging the scroll bar) go to the same fraction of
// the whole.

import { el } from "../page/dom.js";

/** A movement of more than this many window heights is a jump. */
const JUMP_WINDOWS = 3;
const REQUESTED_PX = 1e8; // more than any browser allows
const SAFE_PX = 5_000_000; // for browsers that ignore such a height instead of clamping it
const MARGIN_PX = 10_000; // for what is above the rows

/** Return the maximum height of an element in this browser, in CSS pixels, at the current zoom. */
export function maxElementPx() {
  const probe = el("div", { class: "probe-height" });
  const frame = el("div", { class: "probe-frame", "aria-hidden": "true" }, probe);
  document.body.append(frame);
  probe.style.setProperty("height", `${REQUESTED_PX}px`);
  const { height } = probe.getBoundingClientRect();
  frame.remove();
  return height > SAFE_PX ? height - MARGIN_PX : SAFE_PX;
}

export class ScrollWindow {
  #total = 0;
  #room = 0;
  #max = Infinity;
  #position = 0;

  constructor() {
    /** Pixels of the whole table above the window. */
    this.offset = 0;
  }

  /**
   * @param {number} total  the height of all rows  @param {number} room  that of the window
   * @param {number} max  of an element's height; all in px
   */
  resize(total, room, max) {
    this.#total = total;
    this.#room = room;
    this.#max = max;
    this.offset = this.#within(this.offset);
  }

  /** The height of the element that represents all rows. */
  get height() {
    return Math.min(this.#total, this.#max);
  }

  /** The largest `offset`. */
  get last() {
    return Math.max(0, this.#total - this.#room);
  }

  /** The scroll position of the element that corresponds to `offset`. */
  get position() {
    return this.last > 0 ? (this.offset * this.#lastPosition) / this.last : 0;
  }

  /** The distance to move rows down from their true position; usually negative. */
  get shift() {
    return this.#position - this.offset;
  }

  /** The user scrolled the element. */
  moved(position) {
    const by = position - this.#position;
    const isJump = Math.abs(by) > JUMP_WINDOWS * this.#room;
    this.#position = position;
    if (position <= 0) this.offset = 0;
    else if (position >= this.#lastPosition - 1) this.offset = this.last;
    else if (isJump) this.offset = (position * this.last) / this.#lastPosition;
    else this.offset = this.#within(this.offset + by);
  }

  /** The element is now scrolled to this position; the visible rows are unchanged. */
  placed(position) {
    this.#position = position;
  }

  get #lastPosition() {
    return Math.max(0, this.height - this.#room);
  }

  #within(offset) {
    return Math.min(this.last, Math.max(0, offset));
  }
}
