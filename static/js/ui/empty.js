// SPDX-License-Identifier: Apache-2.0

// What stands in the table's place while it shows no row: what to do next.

import { bestProbe, isActive } from "../probes/choice.js";
import { byId, setText } from "./dom.js";

export class Empty {
  #element = byId("empty");
  #title = byId("empty-title");
  #text = byId("empty-text");
  #command = byId("empty-command");
  #clear = byId("empty-clear");

  /** @param {() => void} onClearFilters */
  constructor(onClearFilters) {
    this.#clear.addEventListener("click", onClearFilters);
  }

  /**
   * @param {number} shown  rows in the table  @param {number} held  events in memory
   * @param {boolean} isFiltered  @param {object[]} probes
   */
  show(shown, held, isFiltered, probes) {
    this.#element.hidden = shown > 0;
    if (shown > 0) return;
    const { title, text, command = "", offersClear = false } = words(held, isFiltered, probes);
    setText(this.#title, title);
    setText(this.#text, text);
    setText(this.#command, command);
    this.#command.hidden = !command;
    this.#clear.hidden = !offersClear;
  }
}

function words(held, isFiltered, probes) {
  if (held > 0 && isFiltered) {
    return {
      title: "No event passes the filter",
      text: `${held.toLocaleString("en-US")} events are held; none of them fits the filter.`,
      offersClear: true,
    };
  }
  if (probes.length === 0) {
    return { title: "Waiting for the service", text: "Its probes will be shown here." };
  }
  if (probes.some(isActive)) {
    return {
      title: "Watching. Nothing was deleted yet",
      text: "Every deletion on this machine will show up here. Try one in a terminal:",
      command: "touch /tmp/hello; rm /tmp/hello",
    };
  }
  const best = bestProbe(probes);
  if (best) {
    return {
      title: "See who deletes what",
      text: "Press “Watch deletions” above: each deleted file appears here with its process, its result and the time it took. Or from a terminal:",
      command: `curl -X POST ${location.origin}/probes/${best.id}`,
    };
  }
  return {
    title: "This kernel allows no probe",
    text: "Each mode above says why, and what would help.",
  };
}
