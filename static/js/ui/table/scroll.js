// SPDX-License-Identifier: Apache-2.0

// Following the newest row until the person scrolls up. A browser scrolls by itself too, when what
// scrolls or what it scrolls in gets another height: that is never taken for the person.

import { ScrollWindow } from "./window.js";

/** So long after the last scroll event the person is taken to have released the table. */
const SETTLED_MS = 150;
const NATIVE_UPWARD_KEYS = new Set(["ArrowUp", "PageUp"]);
/** A finger that moves further down than this scrolls up. */
const TOUCH_PX = 8;
/** Positions are whole pixels on some screens and fractions on others. */
const NEAR_PX = 2;

export class Scroll {
  #element;
  #onChange;
  #roomNow;
  #movedAt = -SETTLED_MS;
  #timer = 0;
  #canFollow = true;
  #placedAt = 0; // the scroll position that `settle` left
  #placedRoom = 0; // and the room there was then
  #isHeld = false; // a mouse button is pressed in it: the scroll bar, or a selection, is dragged
  #touchedAt = Infinity;

  /**
   * @param {HTMLElement} element  what scrolls  @param {() => void} onChange
   * @param {() => number} roomNow  the height of the window onto the rows at this moment, in px
   */
  constructor(element, onChange, roomNow) {
    this.#element = element;
    this.#onChange = onChange;
    this.#roomNow = roomNow;
    this.span = new ScrollWindow();
    this.isFollowing = true;
    element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#serveUpward();
  }

  /** What a person does to see older rows; zooming by Ctrl and the wheel is not among it. */
  #serveUpward() {
    const element = this.#element;
    const listen = (name, act) => element.addEventListener(name, act, { passive: true });
    listen("wheel", ({ deltaY, ctrlKey, shiftKey }) => {
      if (deltaY < 0 && !ctrlKey && !shiftKey) this.leave();
    });
    listen("touchstart", ({ touches }) => {
      this.#touchedAt = touches.length === 1 ? touches[0].clientY : Infinity;
    });
    listen("touchmove", ({ touches }) => {
      if (touches[0].clientY - this.#touchedAt > TOUCH_PX) this.leave();
    });
    listen("keydown", ({ key, target }) => {
      if (NATIVE_UPWARD_KEYS.has(key) && target !== element && target.tagName !== "INPUT")
        this.leave(); // a title has the focus, say; the table's own keys are the table's
    });
    listen("pointerdown", () => (this.#isHeld = true));
    // A browser may keep the end of a drag of the scroll bar for itself.
    listen("pointermove", ({ buttons }) => (this.#isHeld &&= buttons !== 0));
    for (const name of ["pointerup", "pointercancel"]) listen(name, () => (this.#isHeld = false));
  }

  /** A person wants older rows: stop following, when there are any above. */
  leave() {
    if (this.#element.scrollTop > 0) this.#stop();
  }

  #stop() {
    if (!this.isFollowing) return;
    this.isFollowing = false;
    this.#onChange();
  }

  follow() {
    this.isFollowing = this.#canFollow;
    this.#onChange();
  }

  /** Rows in another order than that of their arrival have no newest end to follow. */
  set canFollow(can) {
    if (can === this.#canFollow) return;
    this.#canFollow = can;
    this.isFollowing = can;
    if (!can) this.to(0);
  }

  /** Bring that much of the table above the window, in px; the next `settle` scrolls. */
  to(offset) {
    this.span.offset = Math.min(this.span.last, Math.max(0, offset));
    this.#movedAt = -SETTLED_MS;
  }

  /**
   * After rows came and left: to the newest when following, else stay with the rows that are
   * shown. While the person scrolls, the element's own position is not touched.
   *
   * @param {number} total  the height of all rows  @param {number} room  that of the window
   * @param {number} most  the tallest element there can be  @param {HTMLElement} body  that
   *   element  @param {(offset: number) => number} stay  what is above the window now, given
   *   what was, all in px
   */
  settle(total, room, most, body, stay) {
    const { span } = this;
    const element = this.#element;
    const { height } = span;
    const offset = stay(span.offset);
    span.resize(total, room, most);
    span.offset = this.isFollowing ? span.last : Math.min(span.last, Math.max(0, offset));
    if (span.height !== height || body.style.height === "") body.style.height = `${span.height}px`;
    const isReleased = performance.now() - this.#movedAt >= SETTLED_MS;
    const isCut = span.height < height; // the browser may have moved it
    if (!this.isFollowing && !isReleased && !isCut) return void this.#settleLater();
    if (Math.abs(element.scrollTop - span.position) >= 1) element.scrollTop = span.position;
    this.#placedAt = element.scrollTop;
    this.#placedRoom = room;
    span.placed(this.#placedAt);
  }

  #settleLater() {
    if (Math.abs(this.span.position - this.#element.scrollTop) < 1) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onChange, SETTLED_MS);
  }

  #scrolled() {
    const { span } = this;
    const { scrollTop } = this.#element;
    if (Math.abs(scrollTop - this.#placedAt) < 1) return; // we were it
    if (this.isFollowing && !this.#isHeld && this.#isFitted(scrollTop))
      return void this.#onChange(); // the browser was it; the next `settle` puts it right
    const before = span.offset;
    this.#movedAt = performance.now();
    this.#placedAt = scrollTop;
    span.moved(scrollTop);
    const showsNewest = this.#showsEnd;
    if (span.offset < before - 1 && !showsNewest) this.#stop();
    else if (span.offset > before && showsNewest) this.isFollowing = this.#canFollow;
    this.#onChange();
  }

  /**
   * Whether the browser moved the rows, to fit a window of another height. The window may have
   * its former height again by now, and then only that the movement was small tells.
   */
  #isFitted(scrollTop) {
    const room = this.#roomNow();
    const isReshaped = Math.abs(room - this.#placedRoom) >= 1;
    return isReshaped || Math.abs(scrollTop - this.#placedAt) < room / 2;
  }

  /** Asked of the element: what `span` knows of it is as old as the last `settle`. */
  get #showsEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.#element;
    return scrollTop >= scrollHeight - clientHeight - NEAR_PX;
  }
}
