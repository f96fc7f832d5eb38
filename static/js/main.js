// SPDX-License-Identifier: Apache-2.0

// The page's entry: makes its parts and connects them. The session fills the store; the view and
// the table follow, frame by frame.

import { Intake } from "./data/intake.js";
import { EventStore } from "./data/store.js";
import { View } from "./data/view.js";
import { EVERYTHING } from "./filter/compile.js";
import { counted } from "./format/number.js";
import { nameUsersBy, presentation } from "./format/presentation.js";
import { listUsers } from "./net/api.js";
import { takeFromAddress } from "./net/credentials.js";
import { removeServiceWorkers } from "./net/service_workers.js";
import { Users } from "./net/users.js";
import { changes } from "./probes/changes.js";
import { isActive } from "./probes/choice.js";
import { Audit } from "./ui/dialogs/audit.js";
import { Detail } from "./ui/dialogs/detail.js";
import { ExportDialog } from "./ui/dialogs/export.js";
import { Help } from "./ui/dialogs/help.js";
import { TraceDialog } from "./ui/dialogs/trace.js";
import { Filters } from "./ui/filter/filters.js";
import { Address } from "./ui/page/address.js";
import { Announcer } from "./ui/page/announcer.js";
import { CallerLine } from "./ui/page/caller.js";
import { Counters } from "./ui/page/counters.js";
import { byId, setText } from "./ui/page/dom.js";
import { Incidents } from "./ui/page/incidents.js";
import { Keyboard } from "./ui/page/keyboard.js";
import { LossBanner } from "./ui/page/loss_banner.js";
import { News } from "./ui/page/news.js";
import { Notices } from "./ui/page/notices.js";
import { Panes } from "./ui/page/panes.js";
import { RenderLoop } from "./ui/page/render_loop.js";
import { Session } from "./ui/page/session.js";
import { Theme } from "./ui/page/theme.js";
import { ProbeBar } from "./ui/probes/probe_bar.js";
import { SummaryPanel } from "./ui/summary/panel.js";
import { Empty } from "./ui/table/empty.js";
import { EventsTable } from "./ui/table/events_table.js";

const RATES_MS = 500;

class Console {
  #store = new EventStore();
  #intake = new Intake(this.#store);
  #view = new View(this.#store, EVERYTHING);
  #address = new Address();
  #renderLoop = new RenderLoop(() => this.#render());
  #isFilterNew = false;
  #cleared = 0; // events that were cleared and can be restored
  #hostname = "";
  #notices = new Notices(byId("notices"));
  #news = new News(byId("news"));
  #announcer = new Announcer(byId("announcer"));
  #counters = new Counters();
  #lossBanner = new LossBanner();
  #audit = new Audit();
  #caller = new CallerLine(() => location.reload());
  #users = new Users(listUsers, () => this.#usersChanged());
  #bar = new ProbeBar(this.#notices, {
    answer: (probes) => this.#takeAnswer(probes),
    availability: (probes) => this.#takeProbes(probes),
    found: (words) => this.#news.add(words, null, "kernel support"),
    forgotten: (id) => this.#forget(id),
    traceAgain: (probe) => this.#trace.openFor(probe),
  });
  #trace = new TraceDialog({
    probes: () => this.#bar.probes,
    answer: (probes) => this.#takeAnswer(probes),
  });
  #incidents = new Incidents(byId("incidents"), {
    startAgain: (probe) => this.#bar.startAgain(probe),
    say: (words) => this.#announcer.say(words),
  });
  #table = new EventsTable(
    {
      store: this.#store,
      view: this.#view,
      address: this.#address,
      renderLoop: this.#renderLoop,
    },
    {
      filter: (column, text) => this.#filters.typeBox(column, text),
      copied: () => this.#announcer.say("Row copied"),
      current: (row) => this.#detail.show(row),
      open: (row) => this.#detail.open(row),
      close: () => this.#detail.close(),
      clear: () => this.#clear(),
    },
  );
  #filters = new Filters(
    { store: this.#store, look: presentation, address: this.#address, notices: this.#notices },
    {
      change: () => this.#refilter(),
      boxes: () => this.#table.header,
      answer: (probes) => this.#takeAnswer(probes),
      moved: (words, act) => this.#news.add(words, { label: "Undo", act }, "moved"),
    },
  );
  #detail = new Detail(byId("detail"), this.#store, {
    narrow: (test) => this.#filters.narrow(test),
    move: (key) => this.#table.move(key),
    close: () => this.#renderLoop.soon(),
    probe: (id) => this.#bar.probes.find((probe) => probe.id === id),
  });
  #summary = new SummaryPanel({
    aside: byId("summary"),
    tools: byId("tools"),
    store: this.#store,
    view: this.#view,
    narrow: (test) => this.#filters.narrow(test),
    address: this.#address,
  });
  #empty = new Empty({
    clearFilters: () => this.#filters.clear(),
    trace: () => this.#trace.open(),
  });
  #session = new Session(
    {
      intake: this.#intake,
      notices: this.#notices,
      say: (words) => this.#announcer.say(words),
    },
    {
      listed: (answer) => this.#takeList(answer),
      message: (message) => this.#takeMessage(message),
      rows: () => this.#renderLoop.stream(),
    },
  );

  constructor() {
    new ExportDialog(this.#store, this.#view, () => this.#hostname);
    new Theme(byId("page-tools"));
    new Help(new Keyboard(), byId("page-tools"));
    new Panes();
    addEventListener("beforeunload", (event) => this.#onlyHere > 0 && event.preventDefault());
  }

  /** @param {?string} token  from the address */
  async run(token) {
    nameUsersBy(this.#users);
    this.#address.onChange(() => this.#readAddress());
    this.#filters.start();
    setInterval(() => this.#showRates(), RATES_MS);
    this.#renderLoop.soon();
    await this.#session.start(token);
  }

  #takeList({ probes, kernel, names }) {
    this.#store.columns.name(names);
    this.#hostname = kernel.hostname;
    if (!this.#session.isLive) this.#keepOnly(probes);
    setText(byId("host"), `${kernel.hostname} · Linux ${kernel.release} · ${kernel.machine}`);
    this.#takeAnswer(probes);
  }

  #takeMessage(message) {
    if (message.type === "hello") {
      for (const part of [
        this.#bar,
        this.#audit,
        this.#filters,
        this.#incidents,
        this.#caller,
        this.#trace,
        changes,
      ])
        part.allow(message.caller);
      this.#store.columns.name(message.names);
      this.#keepOnly(message.probes);
      this.#takeProbes(message.probes);
    } else if (message.type === "state") {
      this.#takeProbes([message.probe]);
    } else if (message.type === "forgotten") {
      this.#forget(message.probe);
    } else if (message.type === "gap") {
      this.#intake.gap(message);
      this.#showWatching();
      this.#renderLoop.stream();
    }
  }

  /** Take the answer to a call, unless the websocket is open: it may have sent a newer state. */
  #takeAnswer(probes) {
    if (!this.#session.isLive) this.#takeProbes(probes);
  }

  /** Forget the probes that are not in a complete list. */
  #keepOnly(probes) {
    const ids = new Set(probes.map(({ id }) => id));
    for (const { id } of this.#bar.probes) if (!ids.has(id)) this.#forget(id);
  }

  /** A probe no longer exists; its rows stay. */
  #forget(id) {
    this.#bar.remove(id);
    this.#intake.forget(id);
    this.#filters.probes(this.#bar.probes);
    this.#showWatching();
    this.#renderLoop.stream();
  }

  #takeProbes(probes) {
    this.#intake.probes(probes);
    const isFirst = this.#bar.probes.length === 0;
    this.#bar.update(probes);
    if (isFirst && this.#bar.probes.length > 0) this.#checkAddress();
    this.#filters.probes(this.#bar.probes);
    for (const words of changes.news(probes)) this.#news.add(words);
    this.#showWatching();
    this.#renderLoop.stream();
  }

  #showWatching() {
    const { isOn, incidents } = this.#intake.watching;
    this.#session.connection.watch(isOn, incidents.length > 0);
    this.#incidents.show(incidents);
  }

  /** The number of events that only this page still has. */
  get #onlyHere() {
    const { held } = this.#intake;
    return held.isKnown ? Math.max(0, this.#store.events - held.rows) : 0;
  }

  #readAddress() {
    this.#table.followAddress();
    if (this.#bar.probes.length > 0) this.#checkAddress();
    this.#renderLoop.soon();
  }

  /** Report what the address asks for and does not exist, rather than ignore it silently. */
  #checkAddress() {
    const { known } = this.#store.columns;
    const say = (message) =>
      this.#notices.add("The link could not be followed completely", new Error(message));
    const columns = `the columns are ${known.map(({ name }) => name).join(", ")}`;
    const unknown = this.#table.dropUnknown(known);
    for (const name of unknown.columns) say(`no column “${name}”; ${columns}`);
    for (const name of unknown.sort) say(`no column “${name}” to sort by; ${columns}`);
    for (const name of ["filter", "columns", "sort"]) {
      if (this.#address.isUnreadable(name))
        say(`the ${name} parameter has an invalid percent-escape`);
    }
  }

  #usersChanged() {
    this.#table.repaint();
    this.#detail.refresh();
    this.#filters.relearn();
    this.#summary.changed();
  }

  #refilter() {
    this.#isFilterNew = true;
    this.#renderLoop.soon();
  }

  #clear() {
    const { events } = this.#store;
    if (events === 0) return;
    const restore = this.#intake.clear();
    this.#cleared = events;
    this.#table.reset();
    const act = () => {
      restore();
      this.#cleared = 0;
      this.#table.reset();
    };
    this.#news.add(`${counted(events, "event")} cleared.`, { label: "Undo", act }, "cleared");
  }

  #render() {
    this.#filters.know(this.#store);
    if (this.#isFilterNew) this.#view.refilter(this.#filters.inView);
    this.#isFilterNew = false;
    const isFrozen = this.#table.catchUp();
    this.#counters.show(this.#store, this.#view, this.#onlyHere);
    if (isFrozen) return;
    this.#table.render();
    this.#detail.update();
    this.#lossBanner.show(this.#intake.losses, this.#bar.probes);
    this.#summary.changed();
    const isFiltered = this.#filters.valid.active;
    const isEmpty = isFiltered && this.#view.events === 0 && this.#store.events > 0;
    this.#filters.counted(this.#table.isTested && isEmpty);
    const { probes } = this.#bar;
    this.#empty.show(this.#view.length, this.#store.events, isFiltered, probes, this.#cleared);
  }

  #showRates() {
    const now = performance.now();
    const perSecond = (probe) => this.#intake.perSecond(probe, now);
    this.#bar.showRates(
      perSecond,
      (probe) => this.#intake.losses.of(probe),
      (probe) => this.#intake.counts(probe),
    );
    const running = this.#bar.probes.filter(isActive);
    this.#counters.showRates(running.map(({ id }) => ({ probe: id, perSecond: perSecond(id) })));
    this.#session.connection.tick();
    this.#announcer.update(this.#store.received, this.#intake.losses.total, now);
  }
}

removeServiceWorkers();
const token = takeFromAddress(location, history);
new Console().run(token);
