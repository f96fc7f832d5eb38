// SPDX-License-Identifier: Apache-2.0

// A movable splitter between two panes: dragging or the arrow keys resize one of them
// (https://www.w3.org/WAI/ARIA/apg/patterns/windowsplitter/). The browser remembers the size.

import { remember, remembered } from "./preferences.js";

const STEP_PX = 16;
const STEPS_BY_KEY = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

export class Splitter {
  #element;
  #pane;
  #name;
  #isUpright;
  #direction;
  #limits;
  #from = null; // while it is being dragged

  /**
   * @param {HTMLElement} element  role separator
   * @param {{pane: HTMLElement, name: string, direction: 1|-1, limits: () => number[]}} options
   *   `pane` gets the size as `--size`; `name` is the key under which it is remembered; with
   *   `direction` 1 the pane is before the splitter and grows as it moves forward; `limits`
   *   returns the minimum and maximum in px
   */
  constructor(element, { pane, name, direction, limits }) {
    this.#element = element;
    this.#pane = pane;
    this.#name = `pane.${name}`;
    this.#isUpright = element.getAttribute("aria-orientation") === "vertical";
    this.#direction = direction;
    this.#limits = limits;
    const known = Number.parseFloat(remembered(this.#name) ?? "");
    if (known > 0) this.#apply(known);
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("focus", () => this.#tell());
    element.addEventListener("dblclick", () => this.#reset());
    this.#serveDrag();
    new ResizeObserver(() => this.#tell()).observe(pane);
  }

  get #size() {
    return this.#isUpright ? this.#pane.offsetWidth : this.#pane.offsetHeight;
  }

  #key(event) {
    const [least, most] = this.#limits();
    const step = STEPS_BY_KEY[event.key];
    if (step) this.#resize(this.#size + step * this.#direction * STEP_PX);
    else if (event.key === "Home") this.#resize(least);
    else if (event.key === "End") this.#resize(most);
    else if (event.key === "Enter") this.#reset();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #serveDrag() {
    const element = this.#element;
    const at = ({ clientX, clientY }) => (this.#isUpright ? clientX : clientY) * this.#direction;
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      this.#from = this.#size - at(event);
      event.preventDefault();
    });
    element.addEventListener("pointermove", (event) => {
      if (this.#from !== null) this.#resize(this.#from + at(event));
    });
    for (const name of ["pointerup", "pointercancel"])
      element.addEventListener(name, () => (this.#from = null));
  }

  #resize(px) {
    const [least, most] = this.#limits();
    const size = Math.round(Math.min(Math.max(least, most), Math.max(least, px)));
    this.#apply(size);
    remember(this.#name, String(size));
  }

  #reset() {
    this.#pane.style.removeProperty("--size");
    remember(this.#name, "");
    this.#tell();
  }

  #apply(px) {
    this.#pane.style.setProperty("--size", `${px}px`);
    this.#tell();
  }

  #tell() {
    const [least, most] = this.#limits();
    this.#element.setAttribute("aria-valuemin", String(Math.round(least)));
    this.#element.setAttribute("aria-valuemax", String(Math.round(Math.max(least, most))));
    this.#element.setAttribute("aria-valuenow", String(Math.round(this.#size)));
  }
}
