// SPDX-License-Identifier: Apache-2.0

// The resizable panes of the page: the probes, and the panels beside the table.

import { byId } from "./dom.js";
import { Splitter } from "./splitter.js";

const MIN_SIDE_PX = 240;
const MIN_CARDS_PX = 48;
/** Room reserved for the table. */
const LEFT_PX = 240;

export class Panes {
  constructor() {
    for (const name of ["detail", "summary"]) {
      const pane = byId(name);
      new Splitter(byId(`split-${name}`), {
        pane,
        name,
        direction: -1,
        limits: () => [MIN_SIDE_PX, pane.parentElement.clientWidth - LEFT_PX],
      });
    }
    const cards = byId("cards");
    new Splitter(byId("split-probes"), {
      pane: cards,
      name: "probes",
      direction: 1,
      limits: () => [MIN_CARDS_PX, Math.min(cards.scrollHeight, innerHeight - LEFT_PX)],
    });
  }
}
