// SPDX-License-Identifier: Apache-2.0

// The summary's histogram of a column's values, on a logarithmic scale.

import { inColumnType } from "../../data/columns.js";
import { axisNumber, percent } from "../../format/axis.js";
import { duration } from "../../format/duration.js";
import { counted, grouped } from "../../format/number.js";
import { el, setText } from "../page/dom.js";
import { Chart } from "./chart.js";

/** @import { Histogram } from "../../summary/histogram.js" */

const QUANTILES = [
  ["p50", 0.5],
  ["p90", 0.9],
  ["p99", 0.99],
];
const MARKED = ["p50", "p99"];
const MIN_DECADES = 2; // fewer, and ticks of 1, 2 and 5 are needed

export class SpreadFigure {
  #histogram = null;
  #narrow;
  #bars = { edges: [], counts: [] };
  #quantiles = new Map();
  #title = el("h3", { class: "figure__title" });
  #note = el("p", { class: "figure__note" });
  #buttons = el("div", { class: "quantiles" });
  #chart;

  /** @param {string} title  of the column  @param {(test: object) => void} narrow */
  constructor(title, narrow) {
    this.#narrow = narrow;
    setText(this.#title, title);
    this.#chart = new Chart({
      label: title,
      x: { axis: { splits: () => this.#ticks(), values: (_, places) => places.map(tickText) } },
      y: { axis: { values: (_, values) => values.map(axisNumber) } },
      words: (first, last) => this.#words(first, last),
      range: (first, last) => this.#choose(first, last),
      draw: (plot, colour) => this.#drawQuantiles(plot, colour),
    });
    this.element = el(
      "figure",
      { class: "figure", hidden: true },
      el("figcaption", {}, this.#title, this.#note, this.#buttons),
      this.#chart.element,
    );
  }

  /** @param {Histogram} histogram */
  show(histogram) {
    if (this.#chart.isHeld) return;
    this.element.hidden = histogram.total === 0;
    if (histogram.total === 0) return;
    this.#histogram = histogram;
    this.#bars = histogram.bars();
    const { least, most } = histogram.range;
    this.#quantiles = new Map(QUANTILES.map(([name, part]) => [name, histogram.quantile(part)]));
    this.#quantiles.set("max", most);
    setText(
      this.#note,
      `${counted(histogram.total, "value")}, ${duration(least)} to ${duration(most)}`,
    );
    this.#showQuantiles();
    const { edges, counts } = this.#bars;
    this.#chart.show({
      edges: edges.map(placeOf),
      series: [{ name: "count", className: "spread", values: counts }],
    });
  }

  repaint() {
    this.#chart.repaint();
  }

  remove() {
    this.#chart.remove();
  }

  #showQuantiles() {
    for (const [name, value] of this.#quantiles) {
      const words = duration(Math.round(value));
      let button = this.#buttons.querySelector(`[data-name="${name}"]`);
      if (!button) {
        button = el(
          "button",
          { type: "button", class: "quantile" },
          el("span", { class: "quantile__name" }, name),
          el("span"),
        );
        button.dataset.name = name;
        button.addEventListener("click", () => this.#atLeast(name));
        this.#buttons.append(button);
      }
      setText(button.lastChild, ` ${words}`);
      button.title = `Show only ${words} or more`;
    }
  }

  /** Filter from the quantile, rounded down so that no value that it includes is left out. */
  #atLeast(name) {
    const { name: column, type } = this.#histogram.column;
    const value = inColumnType(type, Math.floor(this.#quantiles.get(name)));
    this.#narrow({ name: column, operator: ">=", value });
  }

  #words(first, last) {
    const { edges, counts } = this.#bars;
    let sum = 0;
    for (let i = first; i <= last; i++) sum += counts[i];
    const share = percent(sum, this.#histogram.total);
    return `${duration(edges[first])} to ${duration(edges[last + 1])}: ${grouped(sum)} (${share})`;
  }

  #choose(first, last) {
    const { edges } = this.#bars;
    const { name, type } = this.#histogram.column;
    this.#narrow({ name, operator: ">=", value: inColumnType(type, edges[first]) });
    this.#narrow({ name, operator: "<", value: inColumnType(type, edges[last + 1]) });
  }

  /** Return powers of ten, with 2 and 5 between them if there are few. */
  #ticks() {
    const { edges } = this.#bars;
    const low = Math.max(1, edges[0]);
    const high = edges.at(-1);
    const parts = Math.log10(high / low) < MIN_DECADES ? [1, 2, 5] : [1];
    const ticks = [];
    for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
      for (const part of parts)
        if (part * power >= low && part * power <= high) ticks.push(part * power);
    }
    return (ticks.length > 0 ? ticks : [low]).map(placeOf);
  }

  #drawQuantiles(plot, colour) {
    const { ctx } = plot;
    const { top, height } = plot.bbox;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("--text-muted");
    ctx.lineWidth = devicePixelRatio;
    ctx.textAlign = "center";
    ctx.font = `${11 * devicePixelRatio}px ${colour("--font")}`;
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const name of MARKED) {
      const x = Math.round(plot.valToPos(placeOf(this.#quantiles.get(name)), "x", true));
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      ctx.fillText(name, x, top - 4 * devicePixelRatio);
    }
    ctx.restore();
  }
}

/** Return a value's position on the scale; 0 has no logarithm and is one step before 1. */
function placeOf(value) {
  return value < 1 ? -1 : Math.log2(value);
}

function tickText(place) {
  return duration(Math.round(2 ** place)).replace(/\.0+(?= )/, "");
}
