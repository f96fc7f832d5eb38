// SPDX-License-Identifier: Apache-2.0

// A step chart of a few series. A range can be selected with the pointer, or with the arrow keys
// and Enter.

import uPlot from "../../../vendor/uplot.mjs";
import { ends, movedSpan, sameSpan } from "../../summary/selection.js";
import { el, setText } from "../page/dom.js";
import { faded, token } from "./palette.js";

const HEIGHT_PX = 132;
const FILL = 0.16;
const AXIS_FONT = "11px";

export class Chart {
  #options;
  #plot = null;
  #names = null;
  #steps = { edges: [], series: [] };
  #span = null;
  #colours = new Map(); // cached: reading them makes the browser compute styles
  #readout = el("p", { class: "chart__readout", "aria-hidden": "true" });
  #spoken = el("p", { class: "visually-hidden", role: "status" });
  #place = el("div", { class: "chart__plot", tabIndex: 0, role: "group" });

  /**
   * @param {{label: string, x: object, y: object, words: Function, range: Function, draw?: Function}} options
   *   `x` and `y`: axis options of uPlot; `x.least`: the minimum length of the scale;
   *   `words(first, last)` describes these steps; `range(first, last)`: the user selected them
   */
  constructor(options) {
    this.#options = options;
    /** Whether the pointer is selecting a range: the chart must not move then. */
    this.isHeld = false;
    const place = this.#place;
    place.setAttribute(
      "aria-label",
      `${options.label}: arrow keys select a step, Shift extends the selection, Enter filters`,
    );
    place.addEventListener("keydown", (event) => this.#key(event) && event.preventDefault());
    place.addEventListener("blur", () => this.#choose(null));
    place.addEventListener("pointerdown", () => this.#hold());
    new ResizeObserver(() => this.#fit()).observe(place);
    this.element = el("div", { class: "chart" }, place, this.#readout, this.#spoken);
  }

  /**
   * @param {{edges: number[], series: {name: string, className: string, values: number[]}[]}} steps
   *   one more edge than values; a series' colour is `--hue` of its class
   */
  show(steps) {
    const span = this.#span && sameSpan(this.#span, this.#steps.edges, steps.edges);
    this.#steps = steps;
    const names = steps.series.map(({ name }) => name).join("\n");
    if (names !== this.#names) {
      this.#names = names;
      this.remove();
    }
    if (this.#plot) this.#plot.setData(this.#data());
    else this.#fit();
    if (span) {
      this.#span = span;
      this.#highlight(span);
    } else if (this.#span) this.#choose(null);
  }

  /** Destroy the plot; `show` makes it again. */
  remove() {
    this.#plot?.destroy();
    this.#plot = null;
    this.#place.replaceChildren();
  }

  /** Redraw in the current colours. */
  repaint() {
    this.#colours.clear();
    this.#plot?.redraw(false, true);
  }

  #hold() {
    this.isHeld = true;
    const end = new AbortController();
    const release = () => {
      end.abort();
      setTimeout(() => (this.isHeld = false)); // after the plot has handled the event
    };
    for (const type of ["pointerup", "pointercancel"]) {
      addEventListener(type, release, { signal: end.signal });
    }
  }

  #colour(element, name) {
    const key = `${element.className} ${name}`;
    if (!this.#colours.has(key)) this.#colours.set(key, token(element, name));
    return this.#colours.get(key);
  }

  #data() {
    const { edges, series } = this.#steps;
    // The last value extends to the last edge.
    return [edges, ...series.map(({ values }) => [...values, values.at(-1) ?? null])];
  }

  #fit() {
    const width = this.#place.clientWidth;
    if (width === 0 || this.#steps.edges.length === 0) return;
    if (!this.#plot) this.#plot = new uPlot(this.#uplotOptions(width), this.#data(), this.#place);
    else if (this.#plot.width !== width) this.#plot.setSize({ width, height: HEIGHT_PX });
  }

  #uplotOptions(width) {
    const { x, y, draw } = this.#options;
    const colour = (name) => () => this.#colour(this.#place, name);
    const axis = {
      stroke: colour("--text-muted"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1, size: 4 },
      font: `${AXIS_FONT} ${token(this.#place, "--font")}`,
    };
    const steps = uPlot.paths.stepped({ align: 1 });
    return {
      width,
      height: HEIGHT_PX,
      padding: [16, 24, 0, 0], // for the labels above, and half a tick label on the right
      legend: { show: false },
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: false },
      },
      scales: {
        x: { time: x.time ?? false, range: () => this.#extent() },
        y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.06)] },
      },
      axes: [
        { ...axis, size: 26, gap: 3, ...x.axis },
        { ...axis, size: 46, gap: 4, space: 26, ...y.axis },
      ],
      series: [{}, ...this.#steps.series.map((series) => this.#seriesOptions(series, steps))],
      hooks: {
        setCursor: [(plot) => this.#showCursor(plot)],
        setSelect: [(plot) => this.#dragged(plot)],
        draw: draw ? [(plot) => draw(plot, (name) => this.#colour(this.#place, name))] : [],
      },
    };
  }

  #seriesOptions({ className }, paths) {
    const sample = el("span", { class: className, hidden: true });
    this.#place.append(sample);
    const hue = () => this.#colour(sample, "--hue");
    return {
      paths,
      stroke: hue,
      fill: () => faded(hue(), FILL),
      width: 1.5,
      points: { show: false },
    };
  }

  /** Return the scale's range: all edges, extended to the left to its minimum length. */
  #extent() {
    const { edges } = this.#steps;
    const last = edges.at(-1);
    return [Math.min(edges[0], last - (this.#options.x.least?.(edges) ?? 0)), last];
  }

  #stepAt(value) {
    const { edges } = this.#steps;
    let step = 0;
    while (step < edges.length - 2 && edges[step + 1] <= value) step++;
    return step;
  }

  #showCursor(plot) {
    const { left } = plot.cursor;
    const value = left >= 0 ? plot.posToVal(left, "x") : NaN;
    const isOn = value >= this.#steps.edges[0];
    if (!this.#span) setText(this.#readout, isOn ? this.#wordsAt(value) : "");
  }

  #wordsAt(value) {
    const step = this.#stepAt(value);
    return this.#options.words(step, step);
  }

  #dragged(plot) {
    const { left, width } = plot.select;
    if (!this.isHeld || width < 1) return;
    const last = this.#stepAt(plot.posToVal(left + width, "x"));
    const first = this.#stepAt(plot.posToVal(left, "x"));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.isHeld = false;
    this.#options.range(first, last);
  }

  /** @returns {boolean} whether the chart handled the key */
  #key({ key, shiftKey }) {
    if (!this.#plot) return false;
    if (key === "Enter" && this.#span) {
      const [first, last] = ends(this.#span);
      this.#choose(null);
      this.#options.range(first, last);
      return true;
    }
    if (key === "Escape" && this.#span) {
      this.#choose(null);
      return true;
    }
    const span = movedSpan(this.#span, key, shiftKey, this.#steps.edges.length - 1);
    if (span === this.#span) return false;
    this.#choose(span);
    return true;
  }

  #choose(span) {
    this.#span = span;
    const words = span ? this.#options.words(...ends(span)) : "";
    setText(this.#readout, words);
    setText(this.#spoken, words);
    this.#highlight(span);
  }

  #highlight(span) {
    if (!this.#plot) return;
    const select = { left: 0, top: 0, width: 0, height: 0 };
    if (span) {
      const { edges } = this.#steps;
      const [first, last] = ends(span);
      select.left = this.#plot.valToPos(edges[first], "x");
      select.width = Math.max(2, this.#plot.valToPos(edges[last + 1], "x") - select.left);
      select.height = this.#plot.over.clientHeight;
    }
    this.#plot.setSelect(select, false);
  }
}
