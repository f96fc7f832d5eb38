// SPDX-License-Identifier: Apache-2.0

// The connection state and whether any probe is watching, as text: in the top bar and in the title
// of the tab.

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
   * @param {() => void} onRetry  called when the user does not want to wait
   * @param {(words: string) => void} say  announces changes, without the countdown of the text
   */
  constructor(onRetry, say) {
    this.#say = say;
    this.#retry.addEventListener("click", onRetry);
  }

  /** @param {{state: string, retryAt?: number, reason?: string}} state  as `Feed` reports it */
  show(state) {
    // During an attempt to reconnect, the connection is still lost for the user.
    if (state.state === "connecting" && this.#state.state === "waiting") return;
    this.#state = state;
    this.#element.dataset.state = state.state;
    this.#retry.hidden = state.state !== "waiting";
    this.tick();
    this.#tell();
  }

  /**
   * @param {boolean} isOn  whether any probe is watching
   * @param {boolean} isMissing  whether one should be and is not
   */
  watch(isOn, isMissing) {
    this.#isWatching = isOn;
    this.#isMissing = isMissing;
    this.tick();
    this.#tell();
  }

  /** Announce the state to screen readers, and show it in the tab's title. */
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

  /** Update the countdown; call this about once a second. */
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
