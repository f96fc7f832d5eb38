// Wires the page: the feed fills the store, and frame by frame the view and the table follow.

import { Intake } from "./data/intake.js";
import { EventStore } from "./data/store.js";
import { View } from "./data/view.js";
import { EVERYTHING } from "./filter/compile.js";
import { presentation } from "./format/presentation.js";
import { listProbes } from "./net/api.js";
import { takeFromAddress } from "./net/credentials.js";
import { Feed } from "./net/feed.js";
import { CallError } from "./net/problem.js";
import { isActive } from "./probes/choice.js";
import { Audit } from "./ui/audit.js";
import { Announcer } from "./ui/announcer.js";
import { Address } from "./ui/address.js";
import { ConnectionState } from "./ui/connection.js";
import { Counters } from "./ui/counters.js";
import { byId, setText } from "./ui/dom.js";
import { Empty } from "./ui/empty.js";
import { ExportDialog } from "./ui/export.js";
import { Filters } from "./ui/filters.js";
import { Frames } from "./ui/frames.js";
import { Help } from "./ui/help.js";
import { Keys } from "./ui/keys.js";
import { Notices } from "./ui/notices.js";
import { ProbeBar } from "./ui/probebar.js";
import { SignIn } from "./ui/signin.js";
import { SummaryPanel } from "./ui/summary.js";
import { Table } from "./ui/table.js";
import { Theme } from "./ui/theme.js";
import { Toolbar } from "./ui/toolbar.js";

const RATES_MS = 500;

class Console {
  #store = new EventStore();
  #intake = new Intake(this.#store);
  #view = new View(this.#store, EVERYTHING);
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
    filter: (column, text) => this.#filters.typeBox(column, text),
  });
  #address = new Address();
  #filters = new Filters(
    { store: this.#store, look: presentation, address: this.#address, notices: this.#notices },
    {
      change: () => this.#refilter(),
      boxes: () => this.#table.header,
      answer: (probes) => this.#takeAnswer(probes),
    },
  );
  #toolbar = new Toolbar({
    change: () => this.#frames.soon(),
    follow: () => this.#table.scroll.follow(),
    clear: () => this.#clear(),
  });
  #audit = new Audit();
  #signIn = new SignIn(() => location.reload());
  #summary = new SummaryPanel({
    aside: byId("summary"),
    tools: byId("tools"),
    store: this.#store,
    view: this.#view,
    narrow: (test) => this.#narrow(test),
    address: this.#address,
  });
  #empty = new Empty(() => this.#filters.clear());
  #feed = new Feed(`${location.origin.replace(/^http/, "ws")}/ws`, {
    message: (message) => this.#takeMessage(message),
    batch: (bytes) => this.#intake.batch(bytes, performance.now()) && this.#frames.stream(),
    refused: () => this.#askForToken(),
    failure: (error) => this.#notices.add("A message of the service was not understood", error),
    connection: (state) => this.#connectionChanged(state),
  });
  #announcer = new Announcer(byId("announcer"));
  #connection = new ConnectionState(
    () => this.#feed.connect(),
    (words) => this.#announcer.say(words),
  );
  #hostname = "";

  constructor() {
    new ExportDialog(this.#store, this.#view, () => this.#hostname);
    new Theme(byId("page-tools"));
    new Help(new Keys(), byId("page-tools"));
  }

  async run() {
    byId("grid").before(this.#table.header.fault);
    this.#filters.start();
    this.#feed.connect();
    setInterval(() => this.#showRates(), RATES_MS);
    this.#frames.soon();
    try {
      const { probes, kernel } = await listProbes();
      this.#hostname = kernel.hostname;
      setText(byId("host"), `${kernel.hostname} · Linux ${kernel.release} · ${kernel.machine}`);
      this.#takeAnswer(probes);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (!this.#signIn.ask(error)) this.#notices.add("The probes are not known", error);
    }
  }

  /** Why the websocket was not let in, a browser does not tell: a plain request does. */
  async #askForToken() {
    try {
      await listProbes();
      this.#signIn.done();
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#signIn.ask(error);
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
      this.#bar.allow(message.caller);
      this.#audit.allow(message.caller);
      this.#signIn.done();
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
    this.#filters.probes(this.#bar.probes);
    this.#frames.stream();
  }

  #refilter() {
    this.#isFilterNew = true;
    this.#frames.soon();
  }

  /** Add a test to the filter: `{name, operator, value}`, from a cell, a bar or a detail. */
  #narrow(test) {
    this.#filters.narrow(test);
  }

  #clear() {
    this.#intake.clear();
    this.#view.reset();
    this.#toolbar.cleared(this.#store.end);
    this.#table.scroll.follow();
    this.#frames.soon();
  }

  #render() {
    this.#filters.know(this.#store);
    if (this.#isFilterNew) this.#applyFilter();
    this.#view.advance(this.#toolbar.endOfView(this.#store.end));
    this.#table.render();
    this.#toolbar.show(this.#store, this.#view, this.#table.scroll.isFollowing);
    this.#counters.show(this.#store, this.#view);
    this.#counters.showLosses(this.#intake.losses.list());
    this.#summary.changed();
    const isFiltered = this.#filters.valid.active;
    this.#empty.show(this.#view.length, this.#store.events, isFiltered, this.#bar.probes);
  }

  #applyFilter() {
    this.#isFilterNew = false;
    this.#view.refilter(this.#filters.valid);
  }

  #showRates() {
    const now = performance.now();
    const perSecond = (probe) => this.#intake.perSecond(probe, now);
    this.#bar.showRates(perSecond, (probe) => this.#intake.losses.of(probe));
    const running = this.#bar.probes.filter(isActive);
    this.#counters.showRates(running.map(({ id }) => ({ probe: id, perSecond: perSecond(id) })));
    this.#connection.tick();
    const lost = this.#intake.losses.list().reduce((sum, { rows }) => sum + rows, 0);
    this.#announcer.update(this.#store.received, lost, now);
  }
}

takeFromAddress(location, history, sessionStorage);
new Console().run();
