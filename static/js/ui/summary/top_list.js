// SPDX-License-Identifier: Apache-2.0

// The most frequent values of a column, as buttons with a bar for the share.

import { percent } from "../../format/axis.js";
import { counted, grouped } from "../../format/number.js";
import { presentation } from "../../format/presentation.js";
import { el, setText } from "../page/dom.js";

/** @import { Tally } from "../../summary/tally.js" */

const MAX_ITEMS = 10;

export class TopList {
  #narrow;
  #tally = null;
  #look = null;
  #items = [];
  #note = el("p", { class: "figure__note" });
  #list = el("ol", { class: "toplist" });
  #others = el("p", { class: "toplist__others" });

  /** @param {string} title  of the column  @param {(test: object) => void} narrow */
  constructor(title, narrow) {
    this.#narrow = narrow;
    this.element = el(
      "section",
      { class: "figure", hidden: true, "aria-label": `Most frequent: ${title}` },
      el("h3", { class: "figure__title" }, title),
      this.#note,
      this.#list,
      this.#others,
    );
  }

  /**
   * @param {Tally} tally
   * @param {boolean} isSame  the tally counts the same rows as before, and newer ones: entries then
   *   keep their places while the list is hovered or focused
   */
  show(tally, isSame) {
    this.#tally = tally;
    this.#look = presentation(tally.column);
    this.element.hidden = tally.values === 0;
    const isHeld = isSame && this.#list.matches(":hover, :focus-within");
    const top = isHeld ? this.#shownAgain(tally) : tally.top(MAX_ITEMS);
    const all = tally.values + tally.nulls;
    this.#showItems(top, all);
    const distinct = `${grouped(tally.distinct)} distinct`;
    const share = `in ${grouped(tally.values)} of ${counted(all, "event")} (${percent(tally.values, all)})`;
    setText(this.#note, tally.nulls > 0 ? `${distinct}, ${share}` : distinct);
    const others = tally.values - top.reduce((sum, { count }) => sum + count, 0);
    const names = Math.max(0, tally.distinct - top.length);
    this.#others.hidden = names === 0;
    setText(
      this.#others,
      `${counted(names, "other")}: ${grouped(others)} (${percent(others, all)})`,
    );
  }

  #shownAgain(tally) {
    return this.#items
      .filter((item) => !item.element.hidden)
      .map(({ key }) => ({ key, count: tally.countOf(key) }));
  }

  #showItems(top, all) {
    while (this.#items.length < top.length) this.#items.push(this.#make());
    for (const [i, item] of this.#items.entries()) {
      const entry = top[i];
      item.element.hidden = !entry;
      if (entry) item.show(entry, all, this.#look);
    }
  }

  #make() {
    const item = new Item((operator, value) => this.#ask(operator, value));
    this.#list.append(item.element);
    return item;
  }

  #ask(operator, value) {
    this.#narrow({ name: this.#tally.column.name, operator, value });
  }
}

class Item {
  #label = el("span", { class: "toplist__label" });
  #count = el("span", { class: "toplist__count" });
  #share = el("span", { class: "toplist__share" });
  #only;
  #exclude = el("button", { type: "button", class: "toplist__exclude" }, "exclude");
  #shown = "";

  /** @param {(operator: string, value: *) => void} ask */
  constructor(ask) {
    this.key = null;
    const only = el(
      "button",
      { type: "button", class: "toplist__only" },
      this.#label,
      this.#count,
      this.#share,
    );
    this.#only = only;
    only.addEventListener("click", ({ shiftKey }) => ask(shiftKey ? "!=" : "=", this.key));
    this.#exclude.addEventListener("click", () => ask("!=", this.key));
    this.element = el("li", { class: "toplist__item" }, only, this.#exclude);
  }

  show({ key, count }, all, look) {
    this.key = key;
    const parts = look.parts(key);
    const shown = JSON.stringify(parts);
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.#label.className = `toplist__label ${look.className ?? ""}`;
      this.#label.replaceChildren(
        ...parts.map(({ text, className }) => el("span", { class: className }, text)),
      );
      const whole = look.hover(key);
      this.#only.title = `${whole}\nClick to show only these, Shift+click to hide them`;
      this.#exclude.title = `Hide ${whole}`;
      this.#exclude.setAttribute("aria-label", `exclude ${whole}`);
    }
    setText(this.#count, grouped(count));
    setText(this.#share, percent(count, all));
    this.#only.style.setProperty("--share", `${(100 * count) / all}%`);
  }
}
