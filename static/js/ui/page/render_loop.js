// SPDX-License-Identifier: Apache-2.0

// Schedules rendering: at most once per frame, however much there is to show.

// Streaming rows need no more than 20 renders per second; the frames between are free for scrolling
// and typing, which take effect in the next frame.
const STREAM_MS = 50;

export class RenderLoop {
  #render;
  #frame = 0;
  #timer = 0;
  #later = 0;
  #renderedAt = -STREAM_MS;

  /** @param {() => void} render */
  constructor(render) {
    this.#render = render;
  }

  /** Render in the next frame: the user did something. */
  soon() {
    this.#frame ||= requestAnimationFrame((now) => {
      this.#frame = 0;
      clearTimeout(this.#later);
      this.#renderedAt = now;
      this.#render();
    });
  }

  /** Render after a delay. */
  later(ms) {
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.soon(), ms);
  }

  /** Render soon, but at the rate of a stream. */
  stream() {
    if (this.#frame || this.#timer) return;
    const wait = this.#renderedAt + STREAM_MS - performance.now();
    if (wait <= 0) return void this.soon();
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.soon();
    }, wait);
  }
}
