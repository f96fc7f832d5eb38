// SPDX-License-Identifier: Apache-2.0

// The summary's chart of events per second, with a line per probe.

import { inColumnType } from "../../data/columns.js";
import { axisNumber, clockRange, clockTime, widthWords } from "../../format/axis.js";
import { hueClass } from "../../format/hue.js";
import { visibleText } from "../../format/text.js";
import { el, setText } from "../page/dom.js";
import { Chart } from "./chart.js";

/** @import { Timeline } from "../../summary/timeline.js" */

const MIN_STEPS = 60;
const NS_PER_S = 1_000_000_000n;

export class RateFigure {
  #timeline = null;
  #narrow;
  #shown = null;
  #scale = el("p", { class: "figure__note" });
  #legend = el("ul", { class: "legend" });
  #chart = new Chart({
    label: "Events per second",
    x: {
      time: true,
      least: (edges) => MIN_STEPS * (edges.at(-1) - edges.at(-2)),
      axis: {
        space: 64,
        values: (_, times, __, ___, step) => times.map((time) => clockTime(time, step)),
      },
    },
    y: { axis: { values: (_, values) => values.map(axisNumber) } },
    words: (first, last) => this.#words(first, last),
    range: (first, last) => this.#choose(first, last),
  });

  /** @param {(test: object) => void} narrow */
  constructor(narrow) {
    this.#narrow = narrow;
    this.element = el(
      "figure",
      { class: "figure", hidden: true },
      el(
        "figcaption",
        {},
        el("h3", { class: "figure__title" }, "Events per second"),
        this.#scale,
        this.#legend,
      ),
      this.#chart.element,
    );
  }

  /** @param {Timeline} timeline */
  show(timeline) {
    if (this.#chart.isHeld) return;
    const found = timeline.buckets();
    this.element.hidden = !found;
    if (!found) return;
    this.#timeline = timeline;
    this.#shown = found;
    const { start, width, seconds, series } = found;
    const end = start + seconds.length * width;
    const edges = Array.from({ length: seconds.length + 1 }, (_, i) => start + i * width);
    const covered = sum(seconds);
    const lines = series.map(({ name, counts }) => ({
      name,
      className: hueClass(name),
      values: counts.map((count, i) => count / seconds[i]),
      mean: sum(counts) / covered,
    }));
    setText(this.#scale, `${clockRange(start, end)}, ${widthWords(width)} per step`);
    this.#showLegend(lines);
    this.#chart.show({ edges, series: lines });
  }

  repaint() {
    this.#chart.repaint();
  }

  remove() {
    this.#chart.remove();
  }

  #showLegend(lines) {
    while (this.#legend.childElementCount > lines.length) this.#legend.lastChild.remove();
    for (const [i, { name, className, values, mean }] of lines.entries()) {
      const item =
        this.#legend.children[i] ?? this.#legend.appendChild(el("li", {}, el("span"), el("span")));
      item.className = `legend__item ${className}`;
      item.firstChild.className = "legend__name";
      setText(item.firstChild, visibleText(name));
      const peak = Math.max(...values);
      setText(item.lastChild, `mean ${perSecond(mean)}, peak ${perSecond(peak)}`);
    }
  }

  #words(first, last) {
    const { start, width, seconds, series } = this.#shown;
    const within = (values) => sum(values.slice(first, last + 1));
    const rates = series.map(
      ({ name, counts }) => `${visibleText(name)} ${perSecond(within(counts) / within(seconds))}`,
    );
    return `${clockRange(start + first * width, start + (last + 1) * width)}: ${rates.join(", ")}`;
  }

  #choose(first, last) {
    const { start, width } = this.#shown;
    const { name, type } = this.#timeline.column;
    const at = (step) => inColumnType(type, BigInt(start + step * width) * NS_PER_S);
    this.#narrow({ name, operator: ">=", value: at(first) });
    this.#narrow({ name, operator: "<", value: at(last + 1) });
  }
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

function perSecond(rate) {
  return `${axisNumber(rate)}/s`;
}
