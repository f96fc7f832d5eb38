// Wires the page: the feed fills the store, and frame by frame the view and the table follow.

import { Intake } from "./data/intake.js";
import { EventStore } from "./data/store.js";
import { View } from "./data/view.js";
import { compileFilter, EVERYTHING } from "./filter/compile.js";
import { presentation } from "./format/presentation.js";
import { listProbes } from "./net/api.js";
import { Feed } from "./net/feed.js";
import { CallError } from "./net/problem.js";
import { isActive } from "./probes/choice.js";
import { Address } from "./ui/address.js";
import { ConnectionState } from "./ui/connection.js";
import { Counters } from "./ui/counters.js";
import { byId, setText } from "./ui/dom.js";
import { Empty } from "./ui/empty.js";
import { Frames } from "./ui/frames.js";
import { Notices } from "./ui/notices.js";
import { ProbeBar } from "./ui/probebar.js";
import { SummaryPanel } from "./ui/summary.js";
import { Table } from "./ui/table.js";
import { Toolbar } from "./ui/toolbar.js";

const RATES_MS = 500;

class Console {
  #store = new EventStore();
  #intake = new Intake(this.#store);
  #view = new View(this.#store, EVERYTHING);
  #filter = EVERYTHING;
  #isFilterNew = false;
  #isLive = false;
  #frames = new Frames(() => this.#render());
  #notices = new Notices(byId("notices"));
  #counters = new Counters();
  #bar = new ProbeBar(this.#notices, {
    answer: (probes) => this.#takeAnswer(probes),
    availability: (probes) => this.#takeProbes(probes),
  });
  #table = new Table(byId("grid"), this.#store, this.#view, {
    change: () => this.#frames.soon(),
    filter: () => this.#refilter(),
  });
  #toolbar = new Toolbar({
    filter: () => this.#refilter(),
    change: () => this.#frames.soon(),
    follow: () => this.#table.scroll.follow(),
    clear: () => this.#clear(),
  });
  #address = new Address();
  #summary = new SummaryPanel({
    aside: byId("summary"),
    tools: byId("tools"),
    store: this.#store,
    view: this.#view,
    narrow: (test) => this.#narrow(test),
    address: this.#address,
  });
  #empty = new Empty(() => this.#clearFilters());
  #feed = new Feed(`${location.origin.replace(/^http/, "ws")}/ws`, {
    message: (message) => this.#takeMessage(message),
    batch: (bytes) => this.#intake.batch(bytes, performance.now()) && this.#frames.stream(),
    failure: (error) => this.#notices.add("A message of the service was not understood", error),
    connection: (state) => this.#connectionChanged(state),
  });
  #connection = new ConnectionState(() => this.#feed.connect());

  async run() {
    byId("grid").before(this.#table.header.fault);
    this.#feed.connect();
    setInterval(() => this.#showRates(), RATES_MS);
    this.#frames.soon();
    try {
      const { probes, kernel } = await listProbes();
      setText(byId("host"), `${kernel.hostname} · Linux ${kernel.release} · ${kernel.machine}`);
      this.#takeAnswer(probes);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#notices.add("The probes are not known", error);
    }
  }

  #connectionChanged(state) {
    if (state.state !== "open") this.#isLive = false;
    this.#connection.show(state);
  }

  #takeMessage(message) {
    if (message.type === "hello") {
      this.#isLive = true;
      this.#intake.hello(message);
      this.#takeProbes(message.probes);
    } else if (message.type === "state") {
      this.#takeProbes([message.probe]);
    } else if (message.type === "gap") {
      this.#intake.gap(message);
      this.#frames.stream();
    }
  }

  /** What a call answered can be older than what the websocket has told meanwhile. */
  #takeAnswer(probes) {
    if (!this.#isLive) this.#takeProbes(probes);
  }

  #takeProbes(probes) {
    this.#intake.probes(probes);
    this.#bar.update(probes);
    this.#frames.stream();
  }

  #refilter() {
    this.#isFilterNew = true;
    this.#frames.soon();
  }

  /** Add a test to the filter: `{name, operator, value}`, from a cell, a bar or a detail. */
  #narrow({ value }) {
    this.#toolbar.narrow(String(value));
    this.#refilter();
  }

  #clearFilters() {
    this.#toolbar.clearFilter();
    this.#table.header.clear();
    this.#refilter();
  }

  #clear() {
    this.#intake.clear();
    this.#view.reset();
    this.#toolbar.cleared(this.#store.end);
    this.#table.scroll.follow();
    this.#frames.soon();
  }

  #render() {
    if (this.#isFilterNew) this.#applyFilter();
    this.#view.advance(this.#toolbar.endOfView(this.#store.end));
    this.#table.render();
    this.#toolbar.show(this.#store, this.#view, this.#table.scroll.isFollowing);
    this.#counters.show(this.#store, this.#view);
    this.#counters.showLosses(this.#intake.losses.list());
    const isFiltered = this.#filter.active;
    this.#summary.changed();
    this.#empty.show(this.#view.length, this.#store.events, isFiltered, this.#bar.probes);
  }

  #applyFilter() {
    this.#isFilterNew = false;
    const columns = this.#store.columns.all;
    const { header } = this.#table;
    const names = (column) => presentation(column).numberOf;
    this.#filter = compileFilter(this.#toolbar.text, header.typed, columns, names);
    header.showErrors(this.#filter.errors, columns);
    this.#view.refilter(this.#filter);
  }

  #showRates() {
    const now = performance.now();
    const perSecond = (probe) => this.#intake.perSecond(probe, now);
    this.#bar.showRates(perSecond, (probe) => this.#intake.losses.of(probe));
    const running = this.#bar.probes.filter(isActive);
    this.#counters.showRates(running.map(({ id }) => ({ probe: id, perSecond: perSecond(id) })));
    this.#connection.tick();
  }
}

new Console().run();
