// SPDX-License-Identifier: Apache-2.0

// The cheat sheet of the filter language, generated from its tables.

import { FORMS, KEYWORDS, OPERATORS } from "../../filter/operators.js";
import { el } from "../page/dom.js";

const LEAD =
  "A filter shows the events that match all of its tests. A test is a column, an operator and a value; a single word is searched for in every text column.";

export class FilterHelp {
  #button = el(
    "button",
    {
      type: "button",
      class: "filterbar__button",
      id: "filter-help-button",
      title: "The filter language",
      "aria-label": "The filter language",
      "aria-expanded": "false",
      "aria-controls": "filter-help",
    },
    "?",
  );

  /** @param {(example: string) => void} onTry  an example was clicked */
  constructor(onTry) {
    this.button = this.#button;
    this.element = el(
      "div",
      {
        class: "cheatsheet",
        id: "filter-help",
        role: "dialog",
        "aria-label": "The filter language",
        hidden: true,
      },
      el("p", { class: "cheatsheet__lead" }, LEAD),
      table(
        "Operators",
        OPERATORS.map(({ symbol, help, example }) => [symbol, help, example]),
      ),
      table(
        "Combining tests",
        KEYWORDS.map(({ word, help, example }) => [word, help, example]),
      ),
      table(
        "Words and values",
        FORMS.map(({ form, help, example }) => [form, help, example]),
      ),
      el(
        "p",
        { class: "cheatsheet__lead" },
        "Full reference, including how missing values are handled: docs/filters.md.",
      ),
    );
    this.#button.addEventListener("click", () => this.#show(this.element.hidden));
    this.element.addEventListener("click", ({ target }) => {
      const example = target.closest(".cheatsheet__example");
      if (!example) return;
      this.#show(false);
      onTry(example.textContent);
    });
    for (const element of [this.#button, this.element]) {
      element.addEventListener("keydown", (event) => this.#key(event));
    }
    document.addEventListener("pointerdown", ({ target }) => {
      if (!this.element.contains(target) && target !== this.#button) this.#show(false);
    });
  }

  #show(isOpen) {
    this.element.hidden = !isOpen;
    this.#button.setAttribute("aria-expanded", String(isOpen));
  }

  #key(event) {
    if (event.key !== "Escape" || this.element.hidden) return;
    event.stopPropagation();
    this.#show(false);
    this.#button.focus();
  }
}

function table(title, rows) {
  return el(
    "table",
    { class: "cheatsheet__table" },
    el("caption", {}, title),
    el(
      "tbody",
      {},
      ...rows.map(([name, help, example]) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, el("code", {}, name)),
          el("td", {}, help),
          el(
            "td",
            {},
            el(
              "button",
              { type: "button", class: "cheatsheet__example", title: "Add to the filter" },
              example,
            ),
          ),
        ),
      ),
    ),
  );
}
