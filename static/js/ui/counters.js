// SPDX-License-Identifier: Apache-2.0

// What has come, what is shown, and what was lost.

import { PLACE_WORDS } from "../data/losses.js";
import { grouped, rate } from "../format/number.js";
import { visibleText } from "../format/text.js";
import { byId, setText } from "./dom.js";

export class Counters {
  #received = byId("count-received");
  #shown = byId("count-shown");
  #held = byId("count-held");
  #rates = byId("rates");
  #losses = byId("losses");

  /** @param {EventStore} store  @param {View} view */
  show(store, view) {
    setText(this.#received, grouped(store.received));
    setText(this.#shown, grouped(view.events));
    const older = store.letGo > 0 ? `, ${grouped(store.letGo)} older let go` : "";
    setText(this.#held, `${grouped(store.events)}${older}`);
  }

  /** @param {{probe: string, perSecond: number}[]} rates  of the running probes */
  showRates(rates) {
    const words = rates.map(({ probe, perSecond }) => `${probe} ${rate(perSecond)}`);
    setText(this.#rates, words.length > 0 ? visibleText(words.join(" · ")) : "nothing attached");
  }

  /** @param {{probe: string, where: string, rows: number}[]} losses  as `Losses.list` */
  showLosses(losses) {
    this.#losses.hidden = losses.length === 0;
    if (losses.length === 0) return;
    const total = losses.reduce((sum, { rows }) => sum + rows, 0);
    setText(byId("losses-total"), `${grouped(total)} lost`);
    const parts = losses.map(
      ({ probe, where, rows }) => `${visibleText(probe)}: ${grouped(rows)} ${PLACE_WORDS[where]}`,
    );
    setText(byId("losses-where"), parts.join(" · "));
  }
}
