// The button "Columns": which columns are shown, and in which order.

import { byId, el } from "./dom.js";

const GAP_PX = 4;

export class ColumnMenu {
  #on;
  #arranged = [];
  #button = el("button", { type: "button", class: "button", id: "columns-button", "aria-haspopup": "dialog" }, "Columns");
  #list = el("ul", { class: "columns__list" });
  #panel = el("div", {
    class: "columns",
    id: "columns",
    role: "dialog",
    "aria-label": "Columns",
    popover: "auto",
  });

  /**
   * @param {{show: (name: string, isShown: boolean) => void,
   *   move: (name: string, toName: string) => void, reset: () => void}} on
   */
  constructor(on) {
    this.#on = on;
    const reset = el("button", { type: "button", class: "button button--small" }, "Reset");
    reset.title = "All columns, their order and widths as at first";
    reset.addEventListener("click", () => on.reset());
    this.#panel.append(
      el("p", { class: "columns__hint" }, "Columns that a probe lacks stay empty in its rows."),
      this.#list,
      el("div", { class: "columns__end" }, reset),
    );
    this.#button.popoverTargetElement = this.#panel;
    this.#panel.addEventListener("toggle", () => this.#place());
    byId("tools").append(this.#button, this.#panel);
  }

  /** @param {object[]} arranged  of `Layout.arrange` */
  show(arranged) {
    const focused = document.activeElement?.dataset.control;
    this.#arranged = arranged;
    const shown = arranged.filter(({ isShown }) => isShown).length;
    this.#list.replaceChildren(
      ...arranged.map((entry, i) => this.#item(entry, i, entry.isShown && shown === 1)),
    );
    if (!focused) return;
    const controls = [...this.#list.querySelectorAll("[data-control]")];
    const control = controls.find(({ dataset }) => dataset.control === focused);
    // A button at the end of the list can do no more: its neighbour takes the focus.
    const other = control?.closest("li").querySelector("button:enabled, input:enabled");
    (control?.disabled ? other : control)?.focus();
  }

  #item({ column, isShown }, i, isLast) {
    const { name, key, title } = column;
    const box = el("input", {
      type: "checkbox",
      checked: isShown,
      disabled: isLast,
      "data-control": `show ${key}`,
    });
    if (isLast) box.title = "A table has at least one column";
    box.addEventListener("change", () => this.#on.show(name, box.checked));
    return el(
      "li",
      { class: "columns__item" },
      el("label", { class: "columns__label", title: column.help }, box, el("span", {}, title), el("code", {}, name)),
      this.#mover("↑", `Move ${title} up`, `up ${key}`, name, this.#arranged[i - 1]),
      this.#mover("↓", `Move ${title} down`, `down ${key}`, name, this.#arranged[i + 1]),
    );
  }

  #mover(text, label, control, name, to) {
    const button = el("button", {
      type: "button",
      class: "columns__move",
      "aria-label": label,
      "data-control": control,
      disabled: !to,
    }, text);
    button.addEventListener("click", () => this.#on.move(name, to.column.name));
    return button;
  }

  /** Below its button, within the window. */
  #place() {
    if (!this.#panel.matches(":popover-open")) return;
    const { right, bottom } = this.#button.getBoundingClientRect();
    const left = Math.max(GAP_PX, right - this.#panel.offsetWidth);
    const top = Math.min(bottom + GAP_PX, innerHeight - this.#panel.offsetHeight - GAP_PX);
    this.#panel.style.setProperty("left", `${left}px`);
    this.#panel.style.setProperty("top", `${Math.max(GAP_PX, top)}px`);
  }
}
