// SPDX-License-Identifier: Apache-2.0

// The list of completions: the listbox of a combobox (WAI-ARIA Authoring Practices, "List
// autocomplete"); the field keeps the focus. The first entry is preselected if it continues the
// typed text; otherwise none is selected until an arrow key is pressed, so that Enter submits.

import { visibleText } from "../../format/text.js";
import { el, setAttribute } from "../page/dom.js";

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

export class Completions {
  #input;
  #onAccept;
  #items = [];
  #active = -1;
  #options = [];

  /** @param {HTMLInputElement} input  @param {(item: any) => void} onAccept */
  constructor(input, onAccept) {
    this.#input = input;
    this.#onAccept = onAccept;
    this.element = el("ul", {
      class: "completions",
      role: "listbox",
      id: `${input.id}-list`,
      "aria-label": "Suggestions",
      hidden: true,
    });
    for (const [name, value] of [
      ["role", "combobox"],
      ["aria-autocomplete", "list"],
      ["aria-controls", this.element.id],
    ]) {
      input.setAttribute(name, value);
    }
    // On pointerdown, since the click would come after the field's blur, which closes the list.
    this.element.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const place = this.#options.indexOf(event.target.closest(".completion"));
      if (place >= 0) this.#accept(place);
    });
    this.close();
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** Whether Enter would accept an entry. */
  get hasChosen() {
    return this.#active >= 0;
  }

  /** Accept the selected entry, or else the first. */
  acceptFirst() {
    this.#accept(Math.max(0, this.#active));
  }

  /**
   * @param {{insert: string, help: string, kind: string}[]} items  an empty list closes it
   * @param {boolean} isFirstChosen
   */
  show(items, isFirstChosen = false) {
    if (items.length === 0) return this.close();
    this.#items = items;
    this.#options = items.map((item, i) => option(item, `${this.element.id}-${i}`));
    this.element.replaceChildren(...this.#options);
    this.element.hidden = false;
    this.element.scrollTop = 0;
    setAttribute(this.#input, "aria-expanded", "true");
    this.#choose(isFirstChosen ? 0 : -1);
  }

  close() {
    this.element.hidden = true;
    this.#items = [];
    setAttribute(this.#input, "aria-expanded", "false");
    this.#choose(-1);
  }

  /** @returns {boolean} whether the list handled the key */
  key({ key }) {
    if (!this.isOpen) return false;
    if (key in STEPS) return this.#step(STEPS[key]);
    if (key === "Escape") {
      this.close();
      return true;
    }
    if ((key === "Enter" || key === "Tab") && this.#active >= 0) {
      this.#accept(this.#active);
      return true;
    }
    return false;
  }

  /** Step through the entries; the field itself comes after the last and before the first. */
  #step(step) {
    const places = this.#items.length + 1;
    this.#choose(((this.#active + 1 + step + places) % places) - 1);
    return true;
  }

  #choose(place) {
    this.#options[this.#active]?.setAttribute("aria-selected", "false");
    this.#active = place;
    const chosen = place >= 0 ? this.#options[place] : null;
    chosen?.setAttribute("aria-selected", "true");
    chosen?.scrollIntoView({ block: "nearest" });
    setAttribute(this.#input, "aria-activedescendant", chosen ? chosen.id : null);
  }

  #accept(place) {
    const item = this.#items[place];
    this.close();
    this.#onAccept(item);
  }
}

function option({ insert, help, kind }, id) {
  return el(
    "li",
    { class: "completion", role: "option", id, "aria-selected": "false" },
    el("code", { class: `completion__text completion__text--${kind}` }, visibleText(insert)),
    el("span", { class: "completion__help" }, help),
  );
}
