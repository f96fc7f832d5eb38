// SPDX-License-Identifier: Apache-2.0

// The banner above the table about lost events: how many, where, when, why, and what to do. Once
// dismissed, it reappears when more are lost.

import { PLACE_WORDS } from "../../data/losses.js";
import { grouped } from "../../format/number.js";
import { visibleText } from "../../format/text.js";
import { moment } from "../../format/time.js";
import { byId, setText } from "./dom.js";

/** @import { Losses } from "../../data/losses.js" */

/** Why the kernel lost rows, by the name of the service's counter in a probe's `drops`. */
const KERNEL = {
  ring_full:
    "The ring buffer was full: filter in the kernel, or restart the service with a larger buffer (--ring-mib).",
  stash_full: "Too many calls with long names were in flight at once: filter in the kernel.",
  missed_return: "The kernel did not report the return of some calls.",
  recursion: "Some calls interrupted the BPF program and were not traced.",
  unfinished: "Some calls had not returned when the probe stopped, or too many were in flight.",
};
const ELSEWHERE = {
  pipe: "The tracer exited, or sent events faster than the service could read them: filter in the kernel.",
  client:
    "This connection is too slow for the event rate: filter in the kernel, or restart the service with a larger queue (--client-queue-mib).",
  page: "The event rate is too high for this page: filter in the kernel.",
};

export class LossBanner {
  #element = byId("losses");
  #closedAt = 0; // rows lost when it was dismissed

  constructor() {
    byId("losses-close").addEventListener("click", () => {
      this.#closedAt = this.#total;
      this.#element.hidden = true;
    });
  }

  #total = 0;

  /** @param {Losses} losses  @param {object[]} probes  as in docs/protocol.md */
  show(losses, probes) {
    const list = losses.list();
    this.#total = list.reduce((sum, { rows }) => sum + rows, 0);
    this.#closedAt = Math.min(this.#closedAt, this.#total); // the counts were reset
    this.#element.hidden = this.#total <= this.#closedAt;
    if (this.#element.hidden) return;
    setText(byId("losses-total"), `${grouped(this.#total)} lost`);
    const parts = list.map(
      ({ probe, where, rows }) => `${visibleText(probe)}: ${grouped(rows)} ${PLACE_WORDS[where]}`,
    );
    setText(byId("losses-where"), parts.join(" · "));
    const when = losses.lastAt === null ? "" : new Date(losses.lastAt).toISOString();
    setText(byId("losses-when"), when ? `last seen at ${moment(when)}` : "");
    setText(byId("losses-why"), [...whys(list, probes)].join(" "));
  }
}

/** Return each reason once. */
function whys(list, probes) {
  const found = new Set();
  for (const { probe, where } of list) {
    if (where !== "kernel") {
      found.add(ELSEWHERE[where]);
      continue;
    }
    const drops = probes.find(({ id }) => id === probe)?.drops ?? {};
    const causes = Object.keys(KERNEL).filter((name) => drops[name] > 0);
    for (const name of causes.length > 0 ? causes : ["ring_full"]) found.add(KERNEL[name]);
  }
  return found;
}
