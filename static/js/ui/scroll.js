// SPDX-License-Identifier: Apache-2.0

// Following the newest row until the person scrolls up.

import { Span } from "./span.js";

const UPWARD_KEYS = new Set(["ArrowUp", "PageUp", "Home", "k"]);
/** So long after the last scroll event the person is taken to have let go. */
const SETTLED_MS = 150;

export class Scroll {
  #element;
  #onChange;
  #movedAt = -SETTLED_MS;
  #timer = 0;
  #canFollow = true;

  /** @param {HTMLElement} element  what scrolls  @param {() => void} onChange */
  constructor(element, onChange) {
    this.#element = element;
    this.#onChange = onChange;
    this.span = new Span();
    this.isFollowing = true;
    element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    element.addEventListener("wheel", ({ deltaY }) => deltaY < 0 && this.leave(), {
      passive: true,
    });
    element.addEventListener("keydown", ({ key, target }) => {
      if (target === element && UPWARD_KEYS.has(key)) this.leave();
    });
  }

  /** Stop following, when there is anything to scroll to. */
  leave() {
    if (!this.isFollowing || this.span.last <= 0) return;
    this.isFollowing = false;
    this.#onChange();
  }

  follow() {
    this.isFollowing = this.#canFollow;
    this.#onChange();
  }

  /** Rows in another order than that of their coming have no newest end to follow. */
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
    this.span.offset = this.isFollowing ? span.last : Math.min(span.last, Math.max(0, offset));
    if (span.height !== height || body.style.height === "") body.style.height = `${span.height}px`;
    const isLetGo = performance.now() - this.#movedAt >= SETTLED_MS;
    const isCut = span.height < height; // the browser may have moved it
    if (!this.isFollowing && !isLetGo && !isCut) return void this.#settleLater();
    if (Math.abs(element.scrollTop - span.position) >= 1) element.scrollTop = span.position;
    span.placed(element.scrollTop);
  }

  #settleLater() {
    if (Math.abs(this.span.position - this.#element.scrollTop) < 1) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onChange, SETTLED_MS);
  }

  #scrolled() {
    const { span } = this;
    const before = span.offset;
    const { scrollTop } = this.#element;
    if (scrollTop === before + span.shift) return; // we were it
    this.#movedAt = performance.now();
    span.moved(scrollTop);
    // A table that grew taller is moved by the browser too, but then it shows the newest row.
    const showsNewest = span.offset >= span.last - 2;
    if (span.offset < before - 1 && !showsNewest) this.leave();
    else if (span.offset > before && showsNewest) this.isFollowing = this.#canFollow;
    this.#onChange();
  }
}
