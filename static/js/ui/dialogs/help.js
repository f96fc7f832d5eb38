// SPDX-License-Identifier: Apache-2.0

// The "?" button and its dialog, which lists the keyboard shortcuts.

import { el } from "../page/dom.js";
import { isInUse, PAGE_KEYS, TABLE_KEYS } from "../page/keyboard.js";
import { closeButton, dialog } from "./dialog.js";

/** @import { Keyboard } from "../page/keyboard.js" */

export class Help {
  #keys;
  #lists = el("div", { class: "help__lists" });
  #switch = el("input", { type: "checkbox" });
  #dialog;

  /** @param {Keyboard} keys  @param {HTMLElement} place  for the button */
  constructor(keys, place) {
    this.#keys = keys;
    const button = el("button", {
      type: "button",
      class: "button button--small",
      "aria-keyshortcuts": "?",
      "aria-label": "Keyboard shortcuts",
    });
    button.append("?");
    button.addEventListener("click", () => this.#open());
    place.append(button);
    this.#switch.addEventListener("change", () => (keys.isOn = this.#switch.checked));
    this.#dialog = dialog(
      "help",
      "Keyboard shortcuts",
      this.#lists,
      el(
        "p",
        { class: "field field--check" },
        el("label", {}, this.#switch, "Enable keyboard shortcuts"),
      ),
      el("div", { class: "options__actions" }, closeButton("Close")),
    );
  }

  /** Open the dialog; the list is made each time, since buttons depend on the page's state. */
  #open() {
    this.#switch.checked = this.#keys.isOn;
    this.#lists.replaceChildren(
      ...list("Anywhere, except while typing", PAGE_KEYS.filter(isInUse)),
      ...list("In the table", TABLE_KEYS),
      ...list("In a dialog", [{ shown: "Escape", words: "Close the dialog" }]),
    );
    this.#dialog.showModal();
  }
}

function list(title, entries) {
  const items = entries.map(({ key, shown = key, words }) => {
    const keys = shown.split(" ").map((each) => el("kbd", {}, each));
    return el("div", {}, el("dt", {}, ...keys), el("dd", {}, words));
  });
  return [el("h3", { class: "help__title" }, title), el("dl", { class: "help__keys" }, ...items)];
}
