// SPDX-License-Identifier: Apache-2.0

// The column titles: a click sorts, dragging moves the column, dragging its edge resizes it; the
// keyboard does the same (see HINT). The Tab key stops at one title, arrow keys reach the others.

import { el, setAttribute } from "../page/dom.js";

const DRAG_PX = 6; // a shorter movement is a click
const STEP_PX = 16;
const HINT =
  "Enter sorts. Alt+←/→ changes the width, Alt+Enter fits it to the content. Alt+Shift+←/→ moves the column.";

export class Headings {
  #on;
  #headings = new Map(); // column key -> {cell, button, entry}
  #stop = null; // key of the title at which Tab stops
  #by = null;

  /**
   * @param {{sort: (column: object) => void, resize: (column: object, px: number) => void,
   *   fit: (column: object) => void, move: (name: string, toName: string) => void}} on
   */
  constructor(on) {
    this.#on = on;
  }

  /** The key of the column whose title is focused, undefined if none is. */
  get focused() {
    return [...this.#headings].find(([, { button }]) => button === document.activeElement)?.[0];
  }

  focus(key) {
    const heading = this.#headings.get(key);
    if (!heading) return;
    this.#stopAt(key);
    heading.button.focus();
    heading.button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Make the title cells of these columns, replacing the previous ones. */
  make(shown) {
    this.#headings.clear();
    const cells = shown.map((entry) => this.#heading(entry));
    if (!this.#headings.has(this.#stop)) this.#stop = shown[0]?.column.key ?? null;
    this.#stopAt(this.#stop);
    this.showSort(this.#by);
    return cells;
  }

  /** Update the widths of the same columns. */
  update(shown) {
    for (const entry of shown) this.#headings.get(entry.column.key).entry = entry;
  }

  /** @param {?{column: any, isDescending: boolean}} by  the sort order */
  showSort(by) {
    this.#by = by;
    for (const [key, { cell }] of this.#headings) {
      const isIt = by?.column.key === key;
      const direction = by?.isDescending ? "descending" : "ascending";
      setAttribute(cell, "aria-sort", isIt ? direction : "none");
    }
  }

  #heading(entry) {
    const { column, look } = entry;
    const button = el(
      "button",
      {
        type: "button",
        class: "heading__title",
        title: [column.help, HINT].filter(Boolean).join("\n"),
        tabIndex: -1,
      },
      column.title,
    );
    const edge = el("span", { class: "heading__edge", "aria-hidden": "true" });
    const classes = look.align === "end" ? "cell heading cell--end" : "cell heading";
    const cell = el("div", { class: classes, role: "columnheader" }, button, edge);
    const heading = { cell, button, entry };
    this.#headings.set(column.key, heading);
    button.addEventListener("keydown", (event) => this.#key(event, heading));
    button.addEventListener("focus", () => this.#stopAt(column.key));
    this.#serveDrag(heading);
    this.#serveEdge(edge, heading);
    return cell;
  }

  #key(event, { entry }) {
    const { column, width } = entry;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const keys = [...this.#headings.keys()];
    const at = keys.indexOf(column.key);
    if (event.altKey && event.key === "Enter") this.#on.fit(column);
    else if (event.key === "Home") this.focus(keys[0]);
    else if (event.key === "End") this.focus(keys.at(-1));
    else if (!step || event.ctrlKey || event.metaKey) return;
    else if (event.altKey && event.shiftKey) this.#moveTo(column, keys[at + step]);
    else if (event.altKey) this.#on.resize(column, width + step * STEP_PX);
    else this.focus(keys[at + step]);
    event.preventDefault();
    event.stopPropagation();
  }

  #moveTo(column, key) {
    const other = this.#headings.get(key)?.entry.column;
    if (other && other.name !== column.name) this.#on.move(column.name, other.name);
  }

  #stopAt(key) {
    this.#stop = key;
    for (const [own, { button }] of this.#headings) button.tabIndex = own === key ? 0 : -1;
  }

  /** A click on a title sorts; dragging moves the column to where it is dropped. */
  #serveDrag({ cell, button, entry }) {
    const { column } = entry;
    let start = null;
    let target = null;
    let wasDragged = false;
    const end = () => {
      cell.classList.remove("heading--dragged");
      this.#highlight(null);
      start = null;
    };
    button.addEventListener("pointerdown", (event) => {
      wasDragged = false;
      if (event.button !== 0 || event.pointerType === "touch") return;
      start = event.clientX;
      button.setPointerCapture(event.pointerId); // a fast pointer leaves the title at once
    });
    button.addEventListener("pointermove", (event) => {
      if (start === null) return;
      if (!wasDragged && Math.abs(event.clientX - start) < DRAG_PX) return;
      wasDragged = true;
      cell.classList.add("heading--dragged");
      target = this.#at(event.clientX);
      this.#highlight(target === column.key ? null : target);
    });
    button.addEventListener("pointerup", () => {
      const isMove = start !== null && wasDragged && target !== null;
      end();
      if (isMove) this.#moveTo(column, target);
    });
    button.addEventListener("pointercancel", end);
    button.addEventListener("click", () => {
      if (!wasDragged) this.#on.sort(column);
      wasDragged = false;
    });
  }

  #serveEdge(edge, heading) {
    const { column } = heading.entry;
    let from = null;
    edge.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      edge.setPointerCapture(event.pointerId);
      from = heading.cell.getBoundingClientRect().width - event.clientX;
      event.preventDefault();
    });
    edge.addEventListener("pointermove", (event) => {
      if (from !== null) this.#on.resize(column, from + event.clientX);
    });
    for (const name of ["pointerup", "pointercancel"])
      edge.addEventListener(name, () => (from = null));
    edge.addEventListener("dblclick", () => this.#on.fit(column));
  }

  #at(x) {
    for (const [key, { cell }] of this.#headings) {
      const { left, right } = cell.getBoundingClientRect();
      if (x >= left && x < right) return key;
    }
    return null;
  }

  #highlight(target) {
    for (const [key, { cell }] of this.#headings)
      cell.classList.toggle("heading--target", key === target);
  }
}
