// SPDX-License-Identifier: Apache-2.0

// Wires the page: the feed fills the store, and frame by frame the view and the table follow.

import { Backlog } from "./data/backlog.js";
import { decodeBatch } from "./data/decode.js";
import { Intake } from "./data/intake.js";
import { Order } from "./data/sort/order.js";
import { EventStore } from "./data/store.js";
import { View } from "./data/view.js";
import { EVERYTHING } from "./filter/compile.js";
import { counted } from "./format/number.js";
import { nameUsersBy, presentation } from "./format/presentation.js";
import { listProbes, listUsers } from "./net/api.js";
import { takeFromAddress } from "./net/credentials.js";
import { Feed } from "./net/feed.js";
import { CallError } from "./net/problem.js";
import { removeServiceWorkers } from "./net/service_workers.js";
import { Users } from "./net/users.js";
import { changes } from "./probes/changes.js";
import { isActive } from "./probes/choice.js";
import { Audit } from "./ui/dialogs/audit.js";
import { Detail } from "./ui/dialogs/detail.js";
import { ExportDialog } from "./ui/dialogs/export.js";
import { Help } from "./ui/dialogs/help.js";
import { SignIn } from "./ui/dialogs/sign_in.js";
import { Filters } from "./ui/filter/filters.js";
import { Address } from "./ui/page/address.js";
import { Announcer } from "./ui/page/announcer.js";
import { CallerLine } from "./ui/page/caller.js";
import { ConnectionState } from "./ui/page/connection.js";
import { Counters } from "./ui/page/counters.js";
import { byId, setText } from "./ui/page/dom.js";
import { Incidents } from "./ui/page/incidents.js";
import { Keyboard } from "./ui/page/keyboard.js";
import { LossBanner } from "./ui/page/loss_banner.js";
import { News } from "./ui/page/news.js";
import { Notices } from "./ui/page/notices.js";
import { Panes } from "./ui/page/panes.js";
import { Progress } from "./ui/page/progress.js";
import { RenderLoop } from "./ui/page/render_loop.js";
import { Theme } from "./ui/page/theme.js";
import { Toolbar } from "./ui/page/toolbar.js";
import { ProbeBar } from "./ui/probes/probe_bar.js";
import { SummaryPanel } from "./ui/summary/panel.js";
import { ColumnChoice } from "./ui/table/column_choice.js";
import { Empty } from "./ui/table/empty.js";
import { SortChoice } from "./ui/table/sort_choice.js";
import { Table } from "./ui/table/table.js";

const RATES_MS = 500;
/** So much of a frame goes to filtering and sorting; the rest is for drawing. */
const WORK_MS = 9;
/** So long the table stands still for a new filter, rather than show rows that fly past. */
const FREEZE_MS = 400;

class Console {
  #store = new EventStore();
  #intake = new Intake(this.#store);
  #view = new View(this.#store, EVERYTHING);
  #isFilterNew = false;
  #isTested = false; // every event, by the filter in force
  #stillSinceMs = null;
  #address = new Address();
  #order = new Order(this.#store, this.#view);
  #isLive = false;
  #renderLoop = new RenderLoop(() => this.#render());
  #notices = new Notices(byId("notices"));
  #news = new News(byId("news"));
  #announcer = new Announcer(byId("announcer"));
  #counters = new Counters();
  #lossBanner = new LossBanner();
  #bar = new ProbeBar(this.#notices, {
    answer: (probes) => this.#takeAnswer(probes),
    availability: (probes) => this.#takeProbes(probes),
    found: (words) => this.#news.add(words, null, "kernel support"),
  });
  #incidents = new Incidents(byId("incidents"), {
    startAgain: (probe) => this.#bar.startAgain(probe),
    say: (words) => this.#announcer.say(words),
  });
  #cleared = 0; // events that were cleared away and can be brought back
  #columns = new ColumnChoice(this.#store.columns, this.#address, () => this.#renderLoop.soon());
  #sort = new SortChoice(this.#order, this.#address);
  #table = new Table(byId("grid"), this.#store, this.#order, this.#columns, {
    change: () => this.#renderLoop.soon(),
    filter: (column, text) => this.#filters.typeBox(column, text),
    filtered: () => this.#address.done(),
    copied: () => this.#announcer.say("Row copied"),
    sort: (column) => this.#cycleSort(column),
    current: (row) => this.#detail.show(row),
    open: (row) => this.#detail.open(row),
    close: () => this.#detail.close(),
  });
  #filters = new Filters(
    { store: this.#store, look: presentation, address: this.#address, notices: this.#notices },
    {
      change: () => this.#refilter(),
      boxes: () => this.#table.header,
      answer: (probes) => this.#takeAnswer(probes),
    },
  );
  #detail = new Detail(byId("detail"), this.#store, {
    narrow: (test) => this.#narrow(test),
    move: (key) => this.#table.move(key),
    close: () => this.#renderLoop.soon(),
    probe: (id) => this.#bar.probes.find((probe) => probe.id === id),
  });
  #users = new Users(listUsers, () => this.#usersChanged());
  #progress = new Progress(byId("grid").parentElement);
  #toolbar = new Toolbar({
    change: () => this.#renderLoop.soon(),
    follow: () => this.#follow(),
    clear: () => this.#clear(),
  });
  #audit = new Audit();
  #caller = new CallerLine(() => location.reload());
  #signIn = new SignIn(() => this.#connect());
  #summary = new SummaryPanel({
    aside: byId("summary"),
    tools: byId("tools"),
    store: this.#store,
    view: this.#view,
    narrow: (test) => this.#narrow(test),
    address: this.#address,
  });
  #empty = new Empty(() => this.#filters.clear());
  #backlog = new Backlog(
    (frame) => this.#take(frame),
    (frame) => this.#leaveOut(frame),
  );
  #feed = new Feed(`${location.origin.replace(/^http/, "ws")}/ws`, {
    message: (message) => this.#backlog.push({ message }, 0),
    batch: (bytes) => this.#backlog.push({ bytes }, bytes.byteLength),
    refused: (error) => this.#askForToken(error),
    failure: (error) => this.#misunderstood(error),
    connection: (state) => this.#connectionChanged(state),
  });
  #connection = new ConnectionState(
    () => this.#feed.connect(),
    (words) => this.#announcer.say(words),
  );
  #hostname = "";

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
    byId("grid").before(this.#table.header.fault);
    this.#filters.start();
    setInterval(() => this.#showRates(), RATES_MS);
    this.#renderLoop.soon();
    // A link with a token, opened in a tab that has the page already.
    addEventListener("hashchange", () => {
      const another = takeFromAddress(location, history);
      if (another !== null) this.#signIn.use(another);
    });
    if (token === null) await this.#connect();
    else await this.#signIn.use(token);
  }

  async #connect() {
    this.#feed.connect();
    try {
      const { probes, kernel, names } = await listProbes();
      this.#store.columns.name(names);
      this.#hostname = kernel.hostname;
      setText(byId("host"), `${kernel.hostname} · Linux ${kernel.release} · ${kernel.machine}`);
      this.#takeAnswer(probes);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (!this.#signIn.ask(error))
        this.#notices.add("The list of probes could not be loaded", error);
    }
  }

  /** Why the websocket was not let in, a browser does not tell: a plain request does. */
  async #askForToken(error) {
    if (error) return void this.#signIn.ask(error);
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
    if (state.state === "waiting") this.#intake.disconnected();
    this.#connection.show(state);
  }

  /** A frame of the feed, in its turn: a message or a batch. */
  #take({ message = null, bytes = null }) {
    try {
      if (message) this.#takeMessage(message);
      else if (this.#intake.batch(bytes, performance.now())) this.#renderLoop.stream();
    } catch (error) {
      this.#misunderstood(error);
    }
  }

  /** Messages are few and say what the rows do not: only batches are left out. */
  #leaveOut({ message = null, bytes = null }) {
    if (message) return void this.#take({ message });
    try {
      this.#intake.skip(decodeBatch(bytes));
      this.#renderLoop.stream();
    } catch (error) {
      this.#misunderstood(error);
    }
  }

  #misunderstood(error) {
    this.#notices.add("A message from the service was not understood", error);
  }

  #takeMessage(message) {
    if (message.type === "hello") {
      this.#isLive = true;
      this.#intake.hello(message);
      for (const part of [
        this.#bar,
        this.#audit,
        this.#filters,
        this.#incidents,
        this.#caller,
        changes,
      ])
        part.allow(message.caller);
      this.#signIn.done();
      this.#store.columns.name(message.names);
      this.#takeProbes(message.probes);
    } else if (message.type === "state") {
      this.#takeProbes([message.probe]);
    } else if (message.type === "gap") {
      this.#intake.gap(message);
      this.#showWatching();
      this.#renderLoop.stream();
    }
  }

  /** What a call answered can be older than what the websocket has told meanwhile. */
  #takeAnswer(probes) {
    if (!this.#isLive) this.#takeProbes(probes);
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
    this.#connection.watch(isOn, incidents.length > 0);
    this.#incidents.show(incidents);
  }

  /** How many of the events held are held by this page only. */
  get #onlyHere() {
    const { held } = this.#intake;
    return held.isKnown ? Math.max(0, this.#store.events - held.rows) : 0;
  }

  #readAddress() {
    this.#columns.followAddress();
    this.#sort.readAddress();
    if (this.#bar.probes.length > 0) this.#checkAddress();
    this.#renderLoop.soon();
  }

  /** Say what the address asks for and there is not, rather than show something else in silence. */
  #checkAddress() {
    const { known } = this.#store.columns;
    const say = (message) =>
      this.#notices.add("The link could not be followed completely", new Error(message));
    const there = `the columns are ${known.map(({ name }) => name).join(", ")}`;
    for (const name of this.#columns.dropUnknown()) say(`no column “${name}”; ${there}`);
    for (const name of this.#sort.dropUnknown(known))
      say(`no column “${name}” to sort by; ${there}`);
    for (const name of ["filter", "columns", "sort"]) {
      if (this.#address.isUnreadable(name))
        say(`the ${name} parameter has an invalid percent-escape`);
    }
  }

  #cycleSort(column) {
    this.#sort.cycle(column);
    this.#renderLoop.soon();
  }

  /** To the newest row, which stands at the end in the order of coming only. */
  #follow() {
    this.#sort.clear();
    this.#table.scroll.follow();
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

  /** Add a test to the filter: `{name, operator, value}`, from a cell, a bar or a detail. */
  #narrow(test) {
    this.#filters.narrow(test);
  }

  #clear() {
    const { events } = this.#store;
    if (events === 0) return;
    const restore = this.#intake.clear();
    this.#cleared = events;
    this.#showCleared();
    const act = () => {
      restore();
      this.#cleared = 0;
      this.#showCleared();
    };
    this.#news.add(`${counted(events, "event")} cleared.`, { label: "Undo", act }, "cleared");
  }

  /** Other rows are in the store: all that shows them begins again. */
  #showCleared() {
    this.#view.reset();
    this.#toolbar.cleared(this.#store.end);
    this.#table.scroll.follow();
    this.#renderLoop.soon();
  }

  #render() {
    this.#filters.know(this.#store);
    if (this.#isFilterNew) this.#applyFilter();
    this.#sort.apply(this.#store.columns.all);
    const isStill = this.#work();
    this.#counters.show(this.#store, this.#view, this.#onlyHere);
    if (isStill) return;
    this.#table.render();
    this.#detail.update();
    this.#toolbar.show(this.#store, this.#view, this.#table.scroll.isFollowing, this.#order.by);
    this.#lossBanner.show(this.#intake.losses, this.#bar.probes);
    this.#summary.changed();
    const isFiltered = this.#filters.valid.active;
    this.#filters.counted(
      this.#isTested && isFiltered && this.#view.events === 0 && this.#store.events > 0,
    );
    const { probes } = this.#bar;
    this.#empty.show(this.#view.length, this.#store.events, isFiltered, probes, this.#cleared);
  }

  /**
   * Filter and sort what waits, for a part of the frame.
   * @returns {boolean} whether the table is better left as it is meanwhile
   */
  #work() {
    const nowMs = performance.now();
    const isTimeUp = () => performance.now() - nowMs > WORK_MS;
    const end = this.#toolbar.endOfView(this.#store.end);
    const isFiltered = this.#view.advance(end, isTimeUp);
    this.#isTested = isFiltered;
    const waitMs = isFiltered ? this.#order.work(nowMs, isTimeUp) : 0;
    if (waitMs === 0) this.#renderLoop.soon();
    else if (waitMs !== null) this.#renderLoop.later(waitMs);
    const { isReady, isSorted } = this.#order;
    if (!isFiltered)
      this.#progress.show("Filtering", this.#store.length, this.#view.progress(end), nowMs);
    else this.#progress.show(isReady ? null : "Sorting", this.#view.length, NaN, nowMs);
    const isSettled = isFiltered && (isReady || !isSorted);
    this.#stillSinceMs = isSettled ? null : (this.#stillSinceMs ?? nowMs);
    return !isSettled && (isSorted || nowMs - this.#stillSinceMs < FREEZE_MS);
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
    this.#announcer.update(this.#store.received, this.#intake.losses.total, now);
  }
}

removeServiceWorkers();
const token = takeFromAddress(location, history);
new Console().run(token);
