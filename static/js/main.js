// Wires the page: the feed fills the store, a frame at a time the view and the table follow.

import { decodeBatch } from "./data/decode.js";
import { Losses } from "./data/losses.js";
import { Rate } from "./data/rate.js";
import { Replay } from "./data/replay.js";
import { EventStore } from "./data/store.js";
import { View } from "./data/view.js";
import { compileFilter, EVERYTHING } from "./filter/compile.js";
import { presentation } from "./format/presentation.js";
import { listProbes } from "./net/api.js";
import { Feed } from "./net/feed.js";
import { CallError } from "./net/problem.js";
import { isActive } from "./probes/choice.js";
import { ConnectionState } from "./ui/connection.js";
import { Counters } from "./ui/counters.js";
import { byId, setText } from "./ui/dom.js";
import { Empty } from "./ui/empty.js";
import { Notices } from "./ui/notices.js";
import { ProbeBar } from "./ui/probebar.js";
import { Table } from "./ui/table.js";
import { Toolbar } from "./ui/toolbar.js";

const COUNTERS_MS = 500;
// Rows that only pass by need no more than 20 renders a second; the frames between are free
// for scrolling and typing, which are answered in the next frame.
const STREAM_RENDER_MS = 50;

class Console {
  #store = new EventStore();
  #view = new View(this.#store, EVERYTHING);
  #losses = new Losses();
  #rates = new Map();
  #replay = new Replay();
  #filter = EVERYTHING;
  #isFilterNew = false;
  #client = null;
  #frame = 0;
  #timer = 0;
  #renderedAt = -STREAM_RENDER_MS;
  #notices = new Notices(byId("notices"));
  #counters = new Counters();
  #bar = new ProbeBar(this.#notices, (probes) => this.#takeProbes(probes));
  #table = new Table(byId("grid"), this.#store, this.#view, {
    change: () => this.#schedule(),
    filter: () => this.#refilter(),
  });
  #toolbar = new Toolbar({
    filter: () => this.#refilter(),
    change: () => this.#schedule(),
    follow: () => this.#table.scroll.follow(),
    clear: () => this.#clear(),
  });
  #empty = new Empty(() => this.#clearFilters());
  #feed = new Feed(`${location.origin.replace(/^http/, "ws")}/ws`, {
    message: (message) => this.#message(message),
    batch: (bytes) => this.#batch(bytes),
    connection: (state) => this.#connection.show(state),
  });
  #connection = new ConnectionState(() => this.#feed.connect());

  async run() {
    byId("grid").before(this.#table.header.fault);
    this.#feed.connect();
    setInterval(() => this.#showRates(), COUNTERS_MS);
    this.#schedule();
    try {
      const { probes, kernel } = await listProbes();
      setText(byId("host"), `${kernel.hostname} · Linux ${kernel.release} · ${kernel.machine}`);
      this.#takeProbes(probes);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#notices.add("The probes are not known", error);
    }
  }

  #message(message) {
    if (message.type === "hello") {
      this.#client = message.client;
      this.#replay.connected();
      this.#losses.connected();
      this.#takeProbes(message.probes);
    } else if (message.type === "state") {
      this.#takeProbes([message.probe]);
    } else if (message.type === "gap") {
      this.#losses.gap(message);
      if (this.#replay.takeGap(message)) this.#store.mark(message);
      this.#showLosses();
      this.#scheduleStream();
    }
  }

  #batch(bytes) {
    const batch = decodeBatch(bytes);
    const { isNew, isAfterHole, gaps } = this.#replay.take(batch);
    if (!isNew) return;
    for (const gap of gaps) this.#store.mark(gap);
    if (isAfterHole) this.#store.mark({ probe: batch.probe, where: "reconnect", rows: null });
    this.#store.append(batch);
    this.#rate(batch.probe).add(batch.rows, performance.now());
    this.#scheduleStream();
  }

  #takeProbes(probes) {
    for (const probe of probes) {
      this.#store.columns.describe(probe.columns);
      if (isActive(probe)) this.#store.columns.add(probe.columns);
      this.#losses.update(probe, this.#client);
    }
    this.#bar.update(probes);
    this.#showLosses();
    this.#schedule();
  }

  #refilter() {
    this.#isFilterNew = true;
    this.#schedule();
  }

  #clearFilters() {
    this.#toolbar.clearFilter();
    this.#table.header.clear();
    this.#refilter();
  }

  #clear() {
    this.#store.clear();
    this.#view.reset();
    this.#losses.clear();
    this.#showLosses();
    this.#toolbar.cleared(this.#store.end);
    this.#table.scroll.follow();
    this.#schedule();
  }

  /** One render a frame, however much came. */
  #schedule() {
    this.#frame ||= requestAnimationFrame((now) => {
      this.#frame = 0;
      this.#renderedAt = now;
      this.#render();
    });
  }

  /** The same for what streams in by itself. */
  #scheduleStream() {
    if (this.#frame || this.#timer) return;
    const wait = this.#renderedAt + STREAM_RENDER_MS - performance.now();
    if (wait <= 0) return void this.#schedule();
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#schedule();
    }, wait);
  }

  #render() {
    if (this.#isFilterNew) this.#applyFilter();
    this.#view.advance(this.#toolbar.endOfView(this.#store.end));
    this.#table.render();
    this.#counters.show(this.#store, this.#view);
    this.#toolbar.show(this.#store, this.#view, this.#table.scroll.isFollowing);
    this.#empty.show({
      shown: this.#view.length,
      held: this.#store.length,
      isFiltered: this.#filter.active,
      probes: this.#bar.probes,
    });
  }

  #applyFilter() {
    this.#isFilterNew = false;
    const columns = this.#store.columns.all;
    const { header } = this.#table;
    this.#filter = compileFilter(
      this.#toolbar.text,
      header.typed,
      columns,
      (column) => presentation(column).numberOf,
    );
    header.showErrors(this.#filter.errors, columns);
    this.#view.refilter(this.#filter);
  }

  #rate(probe) {
    if (!this.#rates.has(probe)) this.#rates.set(probe, new Rate());
    return this.#rates.get(probe);
  }

  #showRates() {
    const now = performance.now();
    const perSecond = (id) => this.#rates.get(id)?.perSecond(now) ?? 0;
    const running = this.#bar.probes.filter(isActive);
    this.#counters.showRates(running.map(({ id }) => ({ probe: id, perSecond: perSecond(id) })));
    const losses = this.#losses.list();
    const lost = (id) =>
      losses.filter(({ probe }) => probe === id).reduce((sum, { rows }) => sum + rows, 0);
    this.#bar.showRates(perSecond, lost);
    this.#connection.tick();
  }

  #showLosses() {
    this.#counters.showLosses(this.#losses.list());
  }
}

new Console().run();
