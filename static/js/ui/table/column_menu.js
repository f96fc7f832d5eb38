// SPDX-License-Identifier: Apache-2.0

// The button "Columns" and its menu: which columns are shown, and in which order.

import { byId, el, setText } from "../page/dom.js";

const GAP_PX = 4;

/** A column's line in the menu: its checkbox and the buttons that move it. */
class ColumnItem {
  #box = el("input", { type: "checkbox" });
  #folded = el("span", { class: "columns__folded" });
  #up;
  #down;

  constructor(column, on) {
    const { key, name, title, help } = column;
    this.column = column;
    this.#box.dataset.control = `show ${key}`;
    this.#box.addEventListener("change", () => on.show(name, this.#box.checked));
    this.#up = mover("↑", `Move ${title} up`, `up ${key}`, (to) => on.move(name, to));
    this.#down = mover("↓", `Move ${title} down`, `down ${key}`, (to) => on.move(name, to));
    this.element = el(
      "li",
      { class: "columns__item" },
      el(
        "label",
        { class: "columns__label", title: help },
        this.#box,
        el("span", {}, title),
        el("code", {}, name),
        this.#folded,
      ),
      this.#up,
      this.#down,
    );
  }

  /** @param {?string} before  the name of the previous column, null for none; so `after` */
  show(isShown, isFolded, isLast, before, after) {
    this.#box.checked = isShown && !isFolded;
    setText(this.#folded, isFolded ? "no room" : "");
    this.#box.disabled = isLast;
    this.#box.title = isLast ? "At least one column must be shown" : "";
    for (const [button, to] of [
      [this.#up, before],
      [this.#down, after],
    ]) {
      button.disabled = to === null;
      button.value = to ?? "";
    }
  }
}

function mover(text, label, control, move) {
  const button = el(
    "button",
    { type: "button", class: "columns__move", "aria-label": label },
    text,
  );
  button.dataset.control = control;
  button.addEventListener("click", () => move(button.value));
  return button;
}

export class ColumnMenu {
  #on;
  #items = new Map(); // by a column's key
  #button = el(
    "button",
    { type: "button", class: "button", id: "columns-button", "aria-haspopup": "dialog" },
    "Columns",
  );
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
    reset.title = "Restore the default columns, order and widths";
    reset.addEventListener("click", () => on.reset());
    this.#panel.append(
      el(
        "p",
        { class: "columns__hint" },
        "Columns that a probe does not have are empty in its rows.",
      ),
      this.#list,
      el("div", { class: "columns__end" }, reset),
    );
    this.#button.popoverTargetElement = this.#panel;
    this.#panel.addEventListener("toggle", () => this.#place());
    byId("tools").append(this.#button, this.#panel);
  }

  /**
   * Items keep their elements: replacing one between keydown and keyup would lose the key press.
   * @param {any[]} arranged  of `Layout.arrange`
   */
  show(arranged) {
    const focused = document.activeElement;
    const shown = arranged.filter(({ isShown }) => isShown).length;
    const items = arranged.map(({ column }) => this.#item(column));
    arranged.forEach(({ isShown, isFolded }, i) => {
      const [before, after] = [arranged[i - 1], arranged[i + 1]].map(
        (it) => it?.column.name ?? null,
      );
      items[i].show(isShown, isFolded, isShown && shown === 1, before, after);
    });
    const elements = items.map(({ element }) => element);
    const isSame =
      elements.length === this.#list.children.length &&
      elements.every((element, i) => element === this.#list.children[i]);
    if (!isSame) this.#list.replaceChildren(...elements);
    this.#keepFocus(focused);
  }

  #item(column) {
    const known = this.#items.get(column.key);
    if (known?.column === column) return known;
    const item = new ColumnItem(column, this.#on);
    this.#items.set(column.key, item);
    return item;
  }

  /** Restore the focus, which an element loses when it is moved or disabled. */
  #keepFocus(focused) {
    if (focused === document.activeElement && !focused.disabled) return;
    const item = [...this.#items.values()].find(({ element }) => element.contains(focused));
    if (!item?.element.isConnected) return;
    const other = item.element.querySelector("button:enabled, input:enabled");
    (focused.disabled ? other : focused)?.focus();
  }

  /** Place the panel below its button, within the window. */
  #place() {
    if (!this.#panel.matches(":popover-open")) return;
    const { right, bottom } = this.#button.getBoundingClientRect();
    const left = Math.max(GAP_PX, right - this.#panel.offsetWidth);
    const top = Math.min(bottom + GAP_PX, innerHeight - this.#panel.offsetHeight - GAP_PX);
    this.#panel.style.setProperty("left", `${left}px`);
    this.#panel.style.setProperty("top", `${Math.max(GAP_PX, top)}px`);
  }
}
