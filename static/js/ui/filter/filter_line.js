// SPDX-License-Identifier: Apache-2.0

// The line below the bar: the error in the text, or else a chip for each test, with where it is
// applied, and the button that moves tests into the kernel.

import { visibleText } from "../../format/text.js";
import { el, setAttribute, setText } from "../page/dom.js";
import { VIEWS_ONLY_ID } from "../probes/card.js";

/** @import { FilterFault } from "../../filter/fault.js" */

const PLACES = {
  view: "Applied in this page: the kernel sends all events, and those that do not match are hidden",
  kernel: "Applied in the kernel: events that do not match cost nothing and are never sent",
};

const MOVE_HELP =
  "Events that do not match then cost nothing and are not recorded: they cannot be shown later";

export class FilterLine {
  #element;
  #on;
  #shown = "";
  #chips = [];
  #fault = el("p", { class: "filterfault", id: "filter-text-fault", hidden: true });
  #list = el("ul", { class: "chips", "aria-label": "Filter tests" });
  #move = el(
    "button",
    { type: "button", class: "button button--small", title: MOVE_HELP, hidden: true },
    "Apply in the kernel for everyone",
  );
  #said = el("p", { class: "filterline__said", role: "status" });

  /** @param {{move: () => void}} on */
  constructor(element, on) {
    this.#element = element;
    this.#on = on;
    element.append(this.#fault, this.#list, this.#move, this.#said);
    this.#move.addEventListener("click", () => this.#on.move());
  }

  get faultId() {
    return this.#fault.id;
  }

  /** @param {string} words  about the last move into the kernel; "" for none */
  say(words) {
    setText(this.#said, visibleText(words));
  }

  /**
   * @param {FilterFault[]} faults  @param {string} typed  @param {string} inForce
   * @param {{text: string, place: "view"|"kernel", where: string, title: string,
   *   remove: () => void}[]} chips
   * @param {{isOffered: boolean, isAllowed: boolean, isBusy: boolean}} move  `isAllowed`: the user
   *   may change filters of probes
   */
  show(faults, typed, inForce, chips, move) {
    const isFaulty = faults.length > 0;
    const hadFocus = document.activeElement === this.#move;
    this.#fault.hidden = !isFaulty;
    this.#list.hidden = isFaulty;
    this.#move.hidden = isFaulty || !move.isOffered;
    this.#said.hidden = isFaulty;
    this.#move.disabled = !move.isAllowed;
    setAttribute(this.#move, "aria-describedby", move.isAllowed ? null : VIEWS_ONLY_ID);
    // Not disabled while busy, which would lose the focus.
    this.#move.setAttribute("aria-disabled", String(move.isBusy));
    this.#element.hidden = !isFaulty && chips.length === 0 && this.#said.textContent === "";
    if (isFaulty) this.#showFault(faults[0], typed, inForce);
    else this.#showChips(chips);
    if (hadFocus && this.#move.hidden) document.getElementById("text-filter").focus();
  }

  #showFault({ message, start, end }, typed, inForce) {
    this.#fault.replaceChildren(
      el("span", {}, el("strong", {}, "Invalid filter"), `: ${visibleText(message)}`),
      excerpt(typed, start, end),
      el(
        "span",
        { class: "filterfault__force", title: visibleText(inForce) },
        "Still active: ",
        inForce ? el("code", {}, visibleText(inForce)) : "no filter",
      ),
    );
  }

  #showChips(chips) {
    const shown = JSON.stringify(chips.map(({ text, where, title }) => [text, where, title]));
    if (shown === this.#shown) {
      this.#chips = chips;
      return;
    }
    this.#shown = shown;
    this.#chips = chips;
    const focused = [...this.#list.children].findIndex((item) =>
      item.contains(document.activeElement),
    );
    this.#list.replaceChildren(...chips.map((chip, i) => this.#chip(chip, i)));
    const buttons = this.#list.querySelectorAll("button");
    if (focused >= 0)
      (
        buttons[Math.min(focused, buttons.length - 1)] ?? document.getElementById("text-filter")
      ).focus();
  }

  #chip({ text, place, where, title }, i) {
    const remove = el(
      "button",
      {
        type: "button",
        class: "chip__remove",
        "aria-label": `Remove ${visibleText(text)}, ${where}`,
      },
      "×",
    );
    remove.addEventListener("click", () => this.#chips[i].remove());
    return el(
      "li",
      { class: `chip chip--${place}`, title: `${title}\n${PLACES[place]}` },
      el("code", { class: "chip__text" }, visibleText(text)),
      el("span", { class: "chip__where" }, where),
      ...(this.#chips[i].remove ? [remove] : []),
    );
  }
}

const AROUND = 16; // characters of context on both sides of the error

function excerpt(text, start, end) {
  const from = Math.max(0, start - AROUND);
  const to = Math.min(text.length, end + AROUND);
  return el(
    "code",
    { class: "filterfault__excerpt" },
    `${from > 0 ? "…" : ""}${visibleText(text.slice(from, start))}`,
    el("mark", {}, visibleText(text.slice(start, end))),
    `${visibleText(text.slice(end, to))}${to < text.length ? "…" : ""}`,
  );
}
