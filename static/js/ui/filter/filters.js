// SPDX-License-Identifier: Apache-2.0

// The filter's controls: the bar, the boxes under the headings, the tests as chips, the address and
// the kernel filters all change one state (filter/state.js) and display it.

import { compileFilter } from "../../filter/compile.js";
import { complete } from "../../filter/complete.js";
import { fixed } from "../../filter/fault.js";
import { hintsOf } from "../../filter/hints.js";
import { History as FilterHistory } from "../../filter/history.js";
import { restInView } from "../../filter/kernel.js";
import { offersOf } from "../../filter/offers.js";
import { describe } from "../../filter/print.js";
import { FilterState } from "../../filter/state.js";
import { ADDED, DECIDED, TYPED } from "../page/address.js";
import { byId } from "../page/dom.js";
import { FilterBar } from "./filter_bar.js";
import { FilterHelp } from "./filter_help.js";
import { FilterHints } from "./filter_hints.js";
import { FilterLine } from "./filter_line.js";
import { KernelFilter } from "./kernel_filter.js";

/** @import { Address } from "../page/address.js" */
/** @import { EventStore } from "../../data/store.js" */
/** @import { Header } from "../table/header.js" */
/** @import { Notices } from "../page/notices.js" */

export class Filters {
  #look;
  #isEmpty = false;
  #hints = new FilterHints((text) => this.#takeInstead(text));
  #store;
  #address;
  #on;
  #state;
  #kernel;
  #bar;
  #line;
  #forgetUndo = () => {}; // removes the offer to undo the last move
  #columnsVersion = -1;
  #rest = ""; // what the kernel does not test of the probes' own filters
  #kind = DECIDED; // how a change enters the history

  /**
   * @param {{store: EventStore, look: (column: any) => Look, address: Address, notices: Notices}} parts
   * @param {{change: () => void, boxes: () => Header, answer: (probes: Probe[]) => void,
   *   moved: (words: string, undo: () => void) => () => void}} on
   *   `change`: the active filter changed; `boxes`: the header with the boxes; `answer`: as
   *   ProbeBar's; `moved`: tell that tests were moved into the kernel, and offer to undo it, until
   *   what it returns is called
   */
  constructor({ store, look, address, notices }, on) {
    this.#look = look;
    this.#store = store;
    this.#address = address;
    this.#on = on;
    this.#state = new FilterState(look);
    this.#kernel = new KernelFilter(
      look,
      (probe, name, type) => store.columns.keyOf(probe, name, type),
      notices,
      on.answer,
    );
    const offers = offersOf(store, look);
    this.#bar = new FilterBar(
      byId("filter-bar"),
      {
        history: new FilterHistory(storage()),
        complete: (text, caret) => complete(text, caret, this.#state.names, offers),
        type: (text) => this.#as(TYPED, () => this.#type(text)),
        done: () => this.#address.done(),
        leave: () => byId("grid").focus(),
      },
      new FilterHelp((example) => {
        this.#state.add(example);
        this.#bar.focus();
      }),
    );
    this.#line = new FilterLine(byId("filter-line"), { move: () => this.#move() });
    byId("filter-line").append(this.#hints.element);
    this.#state.onChange((isFilterNew) => this.#changed(isFilterNew));
    address.onChange(() => this.#readAddress());
  }

  /** Apply the filter of the address; call this once, when the page is ready. */
  start() {
    this.#readAddress();
    this.#show();
  }

  /** The active filter, compiled. */
  get valid() {
    return this.#state.valid;
  }

  /** The active filter, and what the kernel does not test of the filters of probes, compiled. */
  get inView() {
    const { names, valid } = this.#state;
    if (!this.#rest) return valid;
    const text = valid.tree ? `(${valid.text}) and ${this.#rest}` : this.#rest;
    const both = compileFilter(text, names, this.#look);
    return both.faults.length > 0 ? valid : both;
  }

  /** Update the known columns before rows are shown: the filter may name new ones. */
  know({ columns }) {
    if (columns.version === this.#columnsVersion) return;
    this.#columnsVersion = columns.version;
    if (this.#rest) this.#on.change();
    this.#as(ADDED, () => this.#state.know(columns.known));
  }

  /** @param {boolean} isEmpty  there are events, and none matches the active filter */
  counted(isEmpty) {
    if (isEmpty === this.#isEmpty) return;
    this.#isEmpty = isEmpty;
    this.#showHints();
  }

  /** Values have new names: uid=alice is valid once the users are known. */
  relearn() {
    this.#as(ADDED, () => this.#state.know(this.#store.columns.known));
  }

  /** @param {{role: string}} caller  who is signed in */
  allow({ role }) {
    this.#kernel.mayChange = role === "operator";
    this.#showLine();
  }

  /** @param {Probe[]} probes  all of them, as in docs/protocol.md */
  probes(probes) {
    this.#kernel.probes(probes);
    this.#showLine();
    const rest = restInView(probes);
    if (rest === this.#rest) return;
    this.#rest = rest;
    this.#on.change();
  }

  /** The text of a column's box was changed. */
  typeBox(column, text) {
    this.#line.say("");
    this.#as(TYPED, () => this.#state.typeBox(column, text));
  }

  /** @param {{name: string, operator: string, value: string|number|bigint}} test  to add */
  narrow(test) {
    this.#line.say("");
    this.#state.narrow(test);
    this.#bar.remember();
  }

  /** Remove the page's filter; those of the kernel stay. */
  clear() {
    this.#type("");
    this.#bar.focus();
  }

  /** Make a change; `kind` is how it enters the history. */
  #as(kind, act) {
    this.#kind = kind;
    act();
    this.#kind = DECIDED;
  }

  #type(text) {
    this.#line.say("");
    this.#state.type(text);
  }

  #takeInstead(text) {
    this.#type(text);
    this.#bar.remember();
    this.#bar.focus();
  }

  #readAddress() {
    const text = this.#address.get("filter") ?? "";
    if (text !== this.#state.valid.text) this.#as(ADDED, () => this.#type(text));
  }

  #changed(isFilterNew) {
    this.#address.set("filter", this.#addressed(), this.#kind);
    if (isFilterNew) this.#isEmpty = false; // until the rows are tested
    this.#show();
    if (isFilterNew) this.#on.change();
  }

  /** Until the columns are known, the filter of the address is not active yet, and stays there. */
  #addressed() {
    const { names, typed, valid } = this.#state;
    return (names.columns.length === 0 ? typed : valid).text.trim() || null;
  }

  #show() {
    this.#bar.show(this.#state.typed.text);
    this.#bar.showFaults(this.#state.faults, this.#line.faultId);
    this.#showLine();
    const { columns } = this.#state.names;
    this.#on.boxes().showTyped(columns, (column) => this.#state.boxText(column));
    this.#on.boxes().showErrors(this.#state.boxFaults, columns);
  }

  #showLine() {
    const { faults, typed, valid } = this.#state;
    const plan = this.#plan();
    const chips = [...this.#kernel.chips(), ...this.#viewChips(plan)];
    this.#line.show(faults, typed.text, valid.text, chips, {
      isOffered: plan.moved.length > 0 || plan.patches.size > 0 || plan.wheres.length > 0,
      isAllowed: this.#kernel.mayChange,
      isBusy: this.#kernel.isMoving,
    });
    this.#showHints();
  }

  #showHints() {
    const { faults, typed, names } = this.#state;
    const fixes = faults.flatMap((fault) => fault.fixes.map((fix) => fixed(typed.text, fix)));
    const ofFaults = fixes.length > 0 ? [{ message: "", fixes }] : [];
    const isKnown = names.columns.length > 0;
    this.#hints.show(
      faults.length > 0 || !isKnown ? ofFaults : hintsOf(typed, names, this.#look, this.#isEmpty),
    );
  }

  #viewChips({ stay }) {
    const { text } = this.#state.valid;
    return this.#state.conjuncts.map((node, i) => ({
      text: text.slice(node.start, node.end),
      place: "view",
      where: "in view",
      title: [
        describe(node, this.#state.names, text),
        stay.find((it) => it.node === node)?.reason ?? "",
      ].join("\n"),
      remove: () => this.#remove(i),
    }));
  }

  #remove(i) {
    this.#line.say("");
    this.#state.remove([this.#state.conjuncts[i]]);
  }

  async #move() {
    if (this.#kernel.isMoving) return;
    const before = this.#state.valid;
    const plan = this.#plan();
    const moving = this.#kernel.move(plan);
    this.#showLine();
    const { isDone, moved, stay, done } = await moving;
    // If the filter was edited during the call, nothing is removed from it.
    const removed = isDone && this.#state.valid === before ? moved : [];
    if (removed.length > 0) this.#state.remove(removed);
    this.#line.say(isDone ? stay.map(({ reason }) => reason).join("; ") : "");
    if (done.length > 0) this.#offerUndo(done, before, removed);
    this.#showLine();
  }

  #offerUndo(done, before, removed) {
    const after = this.#state.valid.text;
    const byText = new Map(); // of probes that were given the same tests
    for (const { id, text } of done) byText.set(text, [...(byText.get(text) ?? []), id]);
    const words = [...byText].map(([text, ids]) => `${text} on ${ids.join(", ")}`).join("; ");
    this.#forgetUndo();
    this.#forgetUndo = this.#on.moved(`Applied in the kernel for everyone: ${words}.`, () => {
      this.#line.say("");
      if (this.#state.valid.text === after) this.#state.type(before.text);
      else for (const { start, end } of removed) this.#state.add(before.text.slice(start, end));
      this.#kernel.undo(done);
    });
  }

  #plan() {
    return this.#kernel.plan(this.#state.valid, this.#state.names);
  }
}

/** Return the storage, null if the browser denies it, as with all cookies blocked. */
function storage() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
