// SPDX-License-Identifier: Apache-2.0

// Follows the newest row until the user scrolls up. Browsers also scroll automatically, when the
// content or its container changes height: that must not be mistaken for the user.

import { ScrollWindow } from "./window.js";

/** Time after the last scroll event at which the user is considered to have stopped scrolling. */
const SETTLED_MS = 150;
const NATIVE_UPWARD_KEYS = new Set(["ArrowUp", "PageUp"]);
/** A finger that moves down by more than this scrolls up. */
const TOUCH_PX = 8;
/** Tolerance: positions are whole pixels on some screens and fractions on others. */
const NEAR_PX = 2;

export class Scroll {
  #element;
  #onChange;
  #roomNow;
  #movedAt = -SETTLED_MS;
  #timer = 0;
  #canFollow = true;
  #placedAt = 0; // the scroll position after the last `settle`
  #placedRoom = 0; // and the height of the window at that time
  #isHeld = false; // a mouse button is down in it: the scroll bar or a selection is being dragged
  #touchedAt = Infinity;

  /**
   * @param {HTMLElement} element  what scrolls  @param {() => void} onChange
   * @param {() => number} roomNow  returns the current height of the window onto the rows, in px
   */
  constructor(element, onChange, roomNow) {
    this.#element = element;
    this.#onChange = onChange;
    this.#roomNow = roomNow;
    this.scrollWindow = new ScrollWindow();
    this.isFollowing = true;
    element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#serveUpward();
  }

  /** Handle what a user does to see older rows; Ctrl and the wheel zoom instead. */
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
        this.leave(); // the focus is on a title, for example; the table handles its own keys
    });
    listen("pointerdown", () => (this.#isHeld = true));
    // A browser may not report the end of a drag of the scroll bar.
    listen("pointermove", ({ buttons }) => (this.#isHeld &&= buttons !== 0));
    for (const name of ["pointerup", "pointercancel"]) listen(name, () => (this.#isHeld = false));
  }

  /** The user wants older rows: stop following, if there are any above. */
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

  /** Only in arrival order are the newest rows at the end, which can be followed. */
  set canFollow(can) {
    if (can === this.#canFollow) return;
    this.#canFollow = can;
    this.isFollowing = can;
    if (!can) this.to(0);
  }

  /** Set the offset in px of the window in the table; the next `settle` scrolls there. */
  to(offset) {
    this.scrollWindow.offset = Math.min(this.scrollWindow.last, Math.max(0, offset));
    this.#movedAt = -SETTLED_MS;
  }

  /**
   * Update after rows were added or evicted: go to the newest when following, else stay with the
   * visible rows. While the user scrolls, the element's own position is left alone.
   *
   * @param {number} total  the height of all rows  @param {number} room  that of the window
   * @param {number} most  the maximum height of an element  @param {HTMLElement} body  that
   *   element  @param {(offset: number) => number} stay  maps the previous offset of the visible
   *   rows to their current one; all in px
   */
  settle(total, room, most, body, stay) {
    const { scrollWindow } = this;
    const element = this.#element;
    const { height } = scrollWindow;
    const offset = stay(scrollWindow.offset);
    scrollWindow.resize(total, room, most);
    scrollWindow.offset = this.isFollowing
      ? scrollWindow.last
      : Math.min(scrollWindow.last, Math.max(0, offset));
    if (scrollWindow.height !== height || body.style.height === "")
      body.style.height = `${scrollWindow.height}px`;
    const isReleased = performance.now() - this.#movedAt >= SETTLED_MS;
    const isCut = scrollWindow.height < height; // the browser may have scrolled
    if (!this.isFollowing && !isReleased && !isCut) return void this.#settleLater();
    if (Math.abs(element.scrollTop - scrollWindow.position) >= 1)
      element.scrollTop = scrollWindow.position;
    this.#placedAt = element.scrollTop;
    this.#placedRoom = room;
    scrollWindow.placed(this.#placedAt);
  }

  #settleLater() {
    if (Math.abs(this.scrollWindow.position - this.#element.scrollTop) < 1) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onChange, SETTLED_MS);
  }

  #scrolled() {
    const { scrollWindow } = this;
    const { scrollTop } = this.#element;
    if (Math.abs(scrollTop - this.#placedAt) < 1) return; // our own change
    if (this.isFollowing && !this.#isHeld && this.#isFitted(scrollTop))
      return void this.#onChange(); // the browser's own change: the next `settle` corrects it
    const before = scrollWindow.offset;
    this.#movedAt = performance.now();
    this.#placedAt = scrollTop;
    scrollWindow.moved(scrollTop);
    const showsNewest = this.#showsEnd;
    if (scrollWindow.offset < before - 1 && !showsNewest) this.#stop();
    else if (scrollWindow.offset > before && showsNewest) this.isFollowing = this.#canFollow;
    this.#onChange();
  }

  /**
   * Whether the browser scrolled because the window's height changed. The height may have been
   * restored by now; then a small movement is the only sign.
   */
  #isFitted(scrollTop) {
    const room = this.#roomNow();
    const isReshaped = Math.abs(room - this.#placedRoom) >= 1;
    return isReshaped || Math.abs(scrollTop - this.#placedAt) < room / 2;
  }

  /** Read from the element, since `scrollWindow` is only as recent as the last `settle`. */
  get #showsEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.#element;
    return scrollTop >= scrollHeight - clientHeight - NEAR_PX;
  }
}
