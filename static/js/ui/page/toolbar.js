// SPDX-License-Identifier: Apache-2.0

// The buttons Pause and Clear, and the one that jumps to the newest events.

import { counted } from "../../format/number.js";
import { byId, setAttribute, setText } from "./dom.js";

export class Toolbar {
  #pause = byId("pause");
  #newest = byId("newest");
  #pausedAt = null;
  #leftAt = null;
  #on;

  /** @param {{change: Function, follow: Function, clear: Function}} on */
  constructor(on) {
    this.#on = on;
    this.#pause.addEventListener("click", () => this.togglePause());
    this.#newest.addEventListener("click", () => {
      if (this.#pausedAt !== null) this.togglePause();
      on.follow();
    });
    byId("clear").addEventListener("click", on.clear);
  }

  /** Return the row at which the view ends: while paused, where it was when paused. */
  endOfView(storeEnd) {
    if (this.#pausedAt === "now") this.#pausedAt = storeEnd;
    return this.#pausedAt ?? storeEnd;
  }

  /** The table was cleared: earlier rows no longer count as new. */
  cleared(storeEnd) {
    if (this.#pausedAt !== null) this.#pausedAt = storeEnd;
    this.#leftAt = null;
  }

  /**
   * @param {boolean} isFollowing  whether the newest row is visible
   * @param {?{column: any}} by  the sort order, in which the newest row may be anywhere
   */
  show(store, view, isFollowing, by) {
    if (isFollowing) this.#leftAt = null;
    else this.#leftAt ??= view.seen;
    const isPaused = this.#pausedAt !== null;
    this.#newest.hidden = isPaused ? false : isFollowing;
    if (this.#newest.hidden) return;
    const since = this.#leftAt === null ? view.length : view.placeFrom(this.#leftAt);
    const waiting = isPaused ? store.end - this.#pausedAt : view.length - since;
    const words = waiting > 0 || isPaused ? [counted(waiting, "new event")] : [];
    if (isPaused) words.unshift("Paused");
    if (by) words.push(`${words.length > 0 ? "sorted" : "Sorted"} by ${by.column.title}`);
    setText(this.#newest, words.length > 0 ? words.join(" · ") : "Jump to newest");
    this.#newest.classList.toggle("newest--sorted", Boolean(by));
    setAttribute(this.#newest, "title", by ? "Clear sorting and follow new events" : null);
  }

  /** Pause or resume the view. Events are stored while it is paused. */
  togglePause() {
    this.#pausedAt = this.#pausedAt === null ? "now" : null;
    const isPaused = this.#pausedAt !== null;
    this.#pause.setAttribute("aria-pressed", String(isPaused));
    setText(this.#pause, isPaused ? "Resume" : "Pause");
    this.#on.change();
  }
}
