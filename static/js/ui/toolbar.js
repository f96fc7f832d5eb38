// Pause, clear, and the way back to the newest.

import { counted } from "../format/number.js";
import { byId, setText } from "./dom.js";

export class Toolbar {
  #pause = byId("pause");
  #newest = byId("newest");
  #pausedAt = null;
  #leftAt = null;
  #on;

  /** @param {{change: Function, follow: Function, clear: Function}} on */
  constructor(on) {
    this.#on = on;
    this.#pause.addEventListener("click", () => this.#togglePause());
    this.#newest.addEventListener("click", () => {
      if (this.#pausedAt !== null) this.#togglePause();
      on.follow();
    });
    byId("clear").addEventListener("click", on.clear);
  }

  /** Up to which row the view goes: while paused, no further than it had come. */
  endOfView(storeEnd) {
    if (this.#pausedAt === "now") this.#pausedAt = storeEnd;
    return this.#pausedAt ?? storeEnd;
  }

  /** The table was emptied: what came before is neither new nor waiting. */
  cleared(storeEnd) {
    if (this.#pausedAt !== null) this.#pausedAt = storeEnd;
    this.#leftAt = null;
  }

  /** @param {boolean} isFollowing  whether the newest row is in sight */
  show(store, view, isFollowing) {
    const reached = view.gone + view.length;
    if (isFollowing) this.#leftAt = null;
    else this.#leftAt = Math.min(this.#leftAt ?? reached, reached);
    const isPaused = this.#pausedAt !== null;
    const waiting = isPaused ? store.end - this.#pausedAt : reached - (this.#leftAt ?? reached);
    this.#newest.hidden = isPaused ? false : isFollowing;
    if (isPaused) setText(this.#newest, `Paused · ${counted(waiting, "new event")}`);
    else setText(this.#newest, waiting > 0 ? counted(waiting, "new event") : "To the newest");
  }

  #togglePause() {
    this.#pausedAt = this.#pausedAt === null ? "now" : null;
    const isPaused = this.#pausedAt !== null;
    this.#pause.setAttribute("aria-pressed", String(isPaused));
    setText(this.#pause, isPaused ? "Resume" : "Pause");
    this.#on.change();
  }
}
