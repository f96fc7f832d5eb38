// SPDX-License-Identifier: Apache-2.0

// Banners for probes that should be watching and are not: since when, why, and what to do.

import { sentence, visibleText } from "../../format/text.js";
import { moment } from "../../format/time.js";
import { el, setText } from "./dom.js";

export class Incidents {
  #element;
  #startAgain;
  #say;
  #banners = new Map(); // probe id -> {element, text, button, key}
  #dismissed = new Set(); // keys
  #mayChange = true;
  #list = [];

  /**
   * @param {HTMLElement} element  not a live region: `say` announces what is in it
   * @param {{startAgain: (probe: Probe) => void, say: (words: string) => void}} on
   */
  constructor(element, { startAgain, say }) {
    this.#element = element;
    this.#startAgain = startAgain;
    this.#say = say;
  }

  /** @param {{role: string}} caller  who is signed in */
  allow({ role }) {
    this.#mayChange = role === "operator";
    this.show(this.#list);
  }

  /** @param {Incident[]} incidents  of `Watching` */
  show(incidents) {
    this.#list = incidents;
    const open = incidents.filter((incident) => !this.#dismissed.has(keyOf(incident)));
    const ids = new Set(open.map(({ probe }) => probe.id));
    for (const [id, banner] of this.#banners) {
      if (ids.has(id)) continue;
      banner.element.remove();
      this.#banners.delete(id);
    }
    for (const incident of open) this.#showOne(incident);
  }

  #showOne(incident) {
    const { probe } = incident;
    let banner = this.#banners.get(probe.id);
    if (!banner) {
      banner = this.#make(probe.id);
      this.#banners.set(probe.id, banner);
    }
    banner.incident = incident;
    const words = wordsOf(incident);
    if (banner.text.textContent !== words) this.#say(words);
    setText(banner.text, words);
    banner.button.hidden = incident.kind === "blind" || !this.#mayChange;
    banner.button.disabled = incident.restartAt !== null || probe.state === "starting";
  }

  #make(id) {
    const text = el("p", { class: "incident__text" });
    const button = el("button", { type: "button", class: "button button--small" }, "Restart");
    button.setAttribute("aria-label", `Restart ${visibleText(id)}`);
    const close = el(
      "button",
      { type: "button", class: "notice__close", "aria-label": `Dismiss the message about ${id}` },
      "×",
    );
    const banner = { text, button, incident: null };
    banner.element = el("div", { class: "notice incident" }, text, button, close);
    button.addEventListener("click", () => this.#startAgain(banner.incident.probe));
    close.addEventListener("click", () => {
      this.#dismissed.add(keyOf(banner.incident));
      this.show(this.#list);
    });
    this.#element.append(banner.element);
    return banner;
  }
}

function keyOf({ probe, since, kind }) {
  return `${probe.id} ${kind} ${since}`;
}

function wordsOf({ probe, since, cause, hint, restartAt, kind }) {
  const id = visibleText(probe.id);
  const what = kind === "blind" ? "is attached but sees no calls" : "is not watching";
  const words = [`${id} ${what}, since ${moment(since)}: ${sentence(visibleText(cause))}`];
  if (hint) words.push(sentence(visibleText(hint)));
  if (restartAt) words.push(`It restarts automatically at ${moment(restartAt)}.`);
  return words.join(" ");
}
