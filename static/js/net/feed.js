// SPDX-License-Identifier: Apache-2.0

// The websocket: one connection at a time, reopened with back-off when it is lost.

import { backoffMs } from "./backoff.js";
import { credentials } from "./credentials.js";

/** A connection that lasts this long resets the back-off. */
const STEADY_MS = 5_000;

export class Feed {
  #url;
  #handlers;
  #socket = null;
  #failures = 0;
  #attempt = 0;
  #timer = 0;

  /**
   * @param {string} url
   * @param {{message: Function, batch: Function, failure: Function, refused: Function,
   *   connection: Function}} handlers
   *   `message(object)` for each control message, `batch(ArrayBuffer)`, `failure(Error)` when
   *   one of these threw, `refused(error)` when a connection was refused, with a CallError if
   *   signing in failed (browsers do not report why a websocket was refused), and
   *   `connection({state: "connecting"|"open"|"waiting", retryAt, reason})` with `retryAt` in
   *   milliseconds since 1970
   */
  constructor(url, handlers) {
    this.#url = url;
    this.#handlers = handlers;
  }

  async connect() {
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#socket = null;
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#handlers.connection({ state: "connecting" });
    try {
      await credentials.signIn();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this.#handlers.refused(error);
      this.#waitAndConnect(error.code === "unreachable" ? undefined : error.message);
      return;
    }
    if (attempt === this.#attempt) this.#open();
  }

  #open() {
    const socket = new WebSocket(this.#url, credentials.subprotocols());
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    let openedAt = null;
    socket.onopen = () => {
      openedAt = performance.now();
      this.#handlers.connection({ state: "open" });
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#take(data);
    };
    socket.onclose = ({ reason }) => {
      if (socket !== this.#socket) return;
      if (openedAt === null) this.#handlers.refused();
      if (openedAt !== null && performance.now() - openedAt > STEADY_MS) this.#failures = 0;
      this.#waitAndConnect(reason);
    };
  }

  #take(data) {
    try {
      if (typeof data === "string") this.#handlers.message(JSON.parse(data));
      else this.#handlers.batch(data);
    } catch (error) {
      this.#handlers.failure(error);
    }
  }

  #waitAndConnect(reason) {
    this.#failures += 1;
    const delay = backoffMs(this.#failures);
    this.#handlers.connection({ state: "waiting", retryAt: Date.now() + delay, reason });
    this.#timer = setTimeout(() => this.connect(), delay);
  }
}
