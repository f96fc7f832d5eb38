// SPDX-License-Identifier: Apache-2.0

// The theme, light or dark: the system's, or the user's choice.

import { el, setText } from "./dom.js";
import { remember, remembered } from "./preferences.js";

const CHOICES = ["auto", "light", "dark"];
const NAME = "theme"; // also in first-paint.js

export class Theme {
  #system = matchMedia("(prefers-color-scheme: dark)");
  #choice = remembered(NAME);
  #button = el("button", { type: "button", class: "button button--small" });

  /** @param {HTMLElement} place  for the button */
  constructor(place) {
    if (!CHOICES.includes(this.#choice)) this.#choice = CHOICES[0];
    this.#system.addEventListener("change", () => this.#apply());
    this.#button.addEventListener("click", () => {
      this.#choice = CHOICES[(CHOICES.indexOf(this.#choice) + 1) % CHOICES.length];
      remember(NAME, this.#choice);
      this.#apply();
    });
    place.append(this.#button);
    this.#apply();
  }

  /** Set the root's `data-theme`, which the stylesheets use and canvases can observe. */
  #apply() {
    const system = this.#system.matches ? "dark" : "light";
    document.documentElement.dataset.theme = this.#choice === "auto" ? system : this.#choice;
    setText(this.#button, `Theme: ${this.#choice}`);
  }
}
