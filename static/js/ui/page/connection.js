// SPDX-License-Identifier: Apache-2.0

// Whether the page is connected, and whether anything is watched, in words: beside the page's
// name, and in the title of its tab.

import { byId, setText } from "./dom.js";

const NAME = "Probedeck";

export class ConnectionState {
  #element = byId("connection");
  #text = byId("connection-text");
  #retry = byId("connection-retry");
  #state = { state: "connecting" };
  #isWatching = false;
  #isMissing = false;
  #said = "";
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
    this.tick();
    this.#tell();
  }

  /** @param {boolean} isOn  something is watched  @param {boolean} isMissing  something is not that should be */
  watch(isOn, isMissing) {
    this.#isWatching = isOn;
    this.#isMissing = isMissing;
    this.tick();
    this.#tell();
  }

  /** To who does not see the text, and to who sees no more than the tab. */
  #tell() {
    const { state } = this.#state;
    const isOpen = state === "open";
    this.#element.dataset.watching = String(isOpen && this.#isWatching);
    const heard = isOpen ? this.#words() : state === "waiting" ? "Connection lost" : "";
    if (heard && heard !== this.#said) this.#say(heard);
    this.#said = heard || this.#said;
    const title = state === "waiting" ? "Connection lost" : this.#isMissing ? "Not watching" : "";
    document.title = title ? `${title} · ${NAME}` : NAME;
  }

  /** Count the seconds down; to be called about once a second. */
  tick() {
    setText(this.#text, this.#words());
  }

  #words() {
    const { state, retryAt, reason } = this.#state;
    if (state === "open") return this.#isWatching ? "Live" : "Connected";
    if (state === "connecting") return "Connecting…";
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    const why = reason ? `Connection lost (${reason})` : "Connection lost";
    return seconds > 0 ? `${why}, retrying in ${seconds} s` : `${why}, reconnecting…`;
  }
}
