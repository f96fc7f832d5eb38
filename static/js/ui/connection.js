// SPDX-License-Identifier: Apache-2.0

// Whether the page is connected, in words.

import { byId, setText } from "./dom.js";

const HEARD = { open: "Live", waiting: "Connection lost" };

export class ConnectionState {
  #element = byId("connection");
  #text = byId("connection-text");
  #retry = byId("connection-retry");
  #state = { state: "connecting" };
  #say;

  /**
   * @param {() => void} onRetry  the person does not want to wait
   * @param {(words: string) => void} say  to be heard: the text counts seconds, which is not
   */
  constructor(onRetry, say) {
    this.#say = say;
    this.#retry.addEventListener("click", onRetry);
  }

  /** @param {{state: string, retryAt?: number, reason?: string}} state  as `Feed` reports it */
  show(state) {
    // An attempt after a loss is still "lost" to the person until it succeeds.
    if (state.state === "connecting" && this.#state.state === "waiting") return;
    this.#state = state;
    this.#element.dataset.state = state.state;
    this.#retry.hidden = state.state !== "waiting";
    if (HEARD[state.state]) this.#say(HEARD[state.state]);
    this.tick();
  }

  /** Count the seconds down; to be called about once a second. */
  tick() {
    setText(this.#text, this.#words());
  }

  #words() {
    const { state, retryAt, reason } = this.#state;
    if (state === "open") return "Live";
    if (state === "connecting") return "Connecting…";
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    const why = reason ? `Connection lost (${reason})` : "Connection lost";
    return seconds > 0 ? `${why}, next attempt in ${seconds} s` : `${why}, connecting…`;
  }
}
