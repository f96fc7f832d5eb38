// SPDX-License-Identifier: Apache-2.0

// When to render: at most once a frame, however much there is to show.

// Rows that only pass by need no more than 20 renders a second; the frames between are free
// for scrolling and typing, which are answered in the next frame.
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

  /** In the next frame: a person did something. */
  soon() {
    this.#frame ||= requestAnimationFrame((now) => {
      this.#frame = 0;
      clearTimeout(this.#later);
      this.#renderedAt = now;
      this.#render();
    });
  }

  /** After some time, if there is no frame before. */
  later(ms) {
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.soon(), ms);
  }

  /** Soon, but not more often than a stream needs. */
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
