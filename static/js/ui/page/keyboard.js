// SPDX-License-Identifier: Apache-2.0

// The page's keyboard shortcuts, in one table, which the help dialog shows. A button declares its
// own shortcut by aria-keyshortcuts, and the key clicks it.

import { byId } from "./dom.js";
import { remember, remembered } from "./preferences.js";

const SWITCH = "keys";

/** @type {{key: string, shown?: string, words: string, run?: () => void}[]} */
export const PAGE_KEYS = [
  { key: "/", words: "Focus the filter", run: () => byId("text-filter").focus() },
  { key: " ", shown: "Space", words: "Pause or resume" },
  { key: "e", words: "Export" },
  { key: "s", words: "Summary" },
  { key: "j", words: "Next row", run: () => pressInTable("ArrowDown") },
  { key: "k", words: "Previous row", run: () => pressInTable("ArrowUp") },
  { key: "g", words: "Oldest row", run: () => pressInTable("Home") },
  { key: "G", words: "Follow new events", run: () => pressInTable("End") },
  { key: "?", words: "Show this help" },
];

/** The keys of the table while it has the focus, separated by spaces. */
export const TABLE_KEYS = [
  { shown: "↓ ↑", words: "Next or previous row" },
  { shown: "PgDn PgUp", words: "Next or previous page" },
  { shown: "Home End", words: "First or last row" },
  { shown: "Enter", words: "Show all fields of the row" },
  { shown: "Ctrl+C", words: "Copy the row" },
];

const TEXT_FIELDS = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
const PRESSED_BY_SPACE = "button, input, a[href], summary, [role=button], [role=option]";

export class Keyboard {
  constructor() {
    document.addEventListener("keydown", (event) => this.#press(event));
  }

  /** Single-key shortcuts can interfere with speech input, so they can be disabled (WCAG 2.1.4). */
  get isOn() {
    return remembered(SWITCH) !== "off";
  }

  set isOn(isOn) {
    remember(SWITCH, isOn ? "on" : "off");
  }

  #press(event) {
    const { key, target } = event;
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.isComposing || target.closest(TEXT_FIELDS) || document.querySelector("dialog[open]"))
      return;
    if (key === " " && target.closest(PRESSED_BY_SPACE)) return;
    const entry = PAGE_KEYS.find((known) => known.key === key);
    if (!entry || !this.isOn) return;
    const act = entry.run ?? buttonOf(entry)?.click.bind(buttonOf(entry));
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** Whether the key does anything on this page. */
export function isInUse(entry) {
  return Boolean(entry.run || buttonOf(entry));
}

/** @returns {?HTMLButtonElement} */
function buttonOf({ key, shown = key }) {
  return document.querySelector(`button[aria-keyshortcuts="${CSS.escape(shown)}"]`);
}

/** Send a key to the table, from anywhere on the page. */
function pressInTable(key) {
  const grid = byId("grid");
  grid.focus();
  grid.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
}
