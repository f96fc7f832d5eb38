// SPDX-License-Identifier: Apache-2.0

// The message in place of an empty table: what to do next.

import { isWatching } from "../../data/watching.js";
import { counted } from "../../format/number.js";
import { bestProbe, isActive } from "../../probes/choice.js";
import { filterWords } from "../../probes/spec.js";
import { targetWords, tracesDeletions } from "../../probes/target.js";
import { byId, setText } from "../page/dom.js";

export class Empty {
  #element = byId("empty");
  #title = byId("empty-title");
  #text = byId("empty-text");
  #command = byId("empty-command");
  #clear = byId("empty-clear");

  #trace = byId("empty-trace");

  /** @param {{clearFilters: () => void, trace: () => void}} on  `trace`: trace a function */
  constructor(on) {
    this.#clear.addEventListener("click", on.clearFilters);
    this.#trace.addEventListener("click", on.trace);
  }

  /**
   * @param {number} shown  rows in the table  @param {number} held  events in memory
   * @param {boolean} isFiltered  @param {object[]} probes
   * @param {number} cleared  events cleared by the user, 0 for none
   */
  show(shown, held, isFiltered, probes, cleared) {
    this.#element.hidden = shown > 0;
    if (shown > 0) return;
    const {
      title,
      text,
      command = "",
      offersClear = false,
    } = words(held, isFiltered, probes, cleared);
    setText(this.#title, title);
    setText(this.#text, text);
    setText(this.#command, command);
    this.#command.hidden = !command;
    this.#clear.hidden = !offersClear;
    this.#trace.hidden = offersClear || probes.length === 0;
  }
}

function calls(on, narrowed) {
  const which = on.map((probe) => targetWords(probe) || "deletions").join("; ");
  return `${narrowed ? "Calls that match the filter in the kernel" : "Calls"} will appear here: ${which}.`;
}

function words(held, isFiltered, probes, cleared) {
  if (held > 0 && isFiltered) {
    return {
      title: "No event matches the filter",
      text: `${held.toLocaleString("en-US")} events are in memory; none matches the filter.`,
      offersClear: true,
    };
  }
  if (probes.length === 0) {
    return { title: "Waiting for the service", text: "Its probes will appear here." };
  }
  const on = probes.filter(isWatching);
  if (cleared > 0) {
    return {
      title: "Cleared",
      text: `${counted(cleared, "event")} cleared; ${on.length > 0 ? "new ones will appear here." : "no probe is watching."}`,
    };
  }
  if (on.length > 0) {
    const narrowed = on.every(({ filter, where }) => filterWords(filter).length > 0 || where);
    if (!on.every(tracesDeletions))
      return { title: "Watching. No events yet", text: calls(on, narrowed) };
    return {
      title: "Watching. No events yet",
      text: narrowed
        ? "Every deletion that matches the kernel filter will appear here."
        : "Every deletion on this machine will appear here. Try one in a terminal:",
      command: narrowed ? "" : "touch /tmp/hello; rm /tmp/hello",
    };
  }
  const active = probes.filter(isActive);
  if (active.length > 0) {
    return {
      title: "Not watching yet",
      text: `${active.map(({ id }) => id).join(", ")}: see the reason above.`,
    };
  }
  const best = bestProbe(probes);
  if (best) {
    return {
      title: "See who deletes what",
      text: "Press “Watch deletions” above: each deletion appears here with its process, result and latency. Or from a terminal:",
      command: `curl -X POST ${location.origin}/probes/${best.id}`,
    };
  }
  return {
    title: "This kernel supports no probe",
    text: "Each mode above says why, and what to do about it.",
  };
}
