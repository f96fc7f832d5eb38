// SPDX-License-Identifier: Apache-2.0

// Which part of a long table is in sight. A browser makes no element taller than some height
// (Chromium 33,554,428 px, at 200% zoom half of it; Firefox 17,895,697 px), a million rows
// can be more. So the scroll position is only a hint: `offset` is the truth. Small movements
// move the rows by as much; large ones, with the scroll bar, go to that part of the whole.

/** A movement of more than so many windows is a jump. */
const JUMP_WINDOWS = 3;

export class Span {
  #total = 0;
  #room = 0;
  #most = Infinity;
  #position = 0;

  constructor() {
    /** How much of the whole is above the window, in px. */
    this.offset = 0;
  }

  /**
   * @param {number} total  the height of all rows  @param {number} room  that of the window
   * @param {number} most  the tallest element that the browser makes; all in px
   */
  resize(total, room, most) {
    this.#total = total;
    this.#room = room;
    this.#most = most;
    this.offset = this.#within(this.offset);
  }

  /** The height of the element that stands for all rows. */
  get height() {
    return Math.min(this.#total, this.#most);
  }

  /** The largest `offset`. */
  get last() {
    return Math.max(0, this.#total - this.#room);
  }

  /** Where the element is to be scrolled to, so that there is as much above it as in truth. */
  get position() {
    return this.last > 0 ? (this.offset * this.#lastPosition) / this.last : 0;
  }

  /** How far rows are to be moved down from where they would stand in truth; mostly negative. */
  get shift() {
    return this.#position - this.offset;
  }

  /** The element was scrolled by the person. */
  moved(position) {
    const by = position - this.#position;
    const isJump = Math.abs(by) > JUMP_WINDOWS * this.#room;
    this.#position = position;
    if (position <= 0) this.offset = 0;
    else if (position >= this.#lastPosition - 1) this.offset = this.last;
    else if (isJump) this.offset = (position * this.last) / this.#lastPosition;
    else this.offset = this.#within(this.offset + by);
  }

  /** The element is scrolled to this position now; what is in sight is as before. */
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
