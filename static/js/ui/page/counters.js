// SPDX-License-Identifier: Apache-2.0

// The status bar's counts: received, shown, in memory, and what a reload would lose.

import { grouped, rate } from "../../format/number.js";
import { visibleText } from "../../format/text.js";
import { byId, setText } from "./dom.js";

/** @import { EventStore } from "../../data/store.js" */
/** @import { View } from "../../data/view.js" */

export class Counters {
  #received = byId("count-received");
  #shown = byId("count-shown");
  #held = byId("count-held");
  #rates = byId("rates");

  /**
   * @param {EventStore} store  @param {View} view
   * @param {number} onlyHere  events that the service no longer has
   */
  show(store, view, onlyHere) {
    setText(this.#received, grouped(store.received));
    setText(this.#shown, grouped(view.events));
    const older = store.evicted > 0 ? `, ${grouped(store.evicted)} evicted` : "";
    const here = onlyHere > 0 ? `, ${grouped(onlyHere)} in this tab only: a reload loses them` : "";
    setText(this.#held, `${grouped(store.events)}${older}${here}`);
  }

  /** @param {{probe: string, perSecond: number}[]} rates  of the running probes */
  showRates(rates) {
    const words = rates.map(({ probe, perSecond }) => `${probe} ${rate(perSecond)}`);
    setText(this.#rates, words.length > 0 ? visibleText(words.join(" · ")) : "no probe attached");
  }
}
