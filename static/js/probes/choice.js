// SPDX-License-Identifier: Apache-2.0

// Which probe the button "Watch deletions" starts, and which count as active.

import { isMode, tracesDeletions } from "./target.js";

// Modes that see results first, then by cost (app/probes/modes.py, PREFERENCE).
const PREFERENCE = ["fexit", "kretprobe", "tracepoint", "fentry", "kprobe"];

/** Return the best available mode for deletions, null if this kernel supports none. */
export function bestProbe(probes) {
  const rank = ({ mode }) => {
    const place = PREFERENCE.indexOf(mode);
    return place < 0 ? PREFERENCE.length : place;
  };
  // A mode's probe may trace something else at the moment.
  const isFree = (probe) => tracesDeletions(probe) || !isActive(probe);
  const available = probes.filter((probe) => probe.available && isMode(probe) && isFree(probe));
  return available.sort((a, b) => rank(a) - rank(b))[0] ?? null;
}

/** Whether the probe is attached, or about to be, so that it can be stopped. */
export function isActive({ state, ended }) {
  const waitsToRestart = state === "failed" && ended?.restart_at !== undefined;
  return waitsToRestart || state === "starting" || state === "running" || state === "stopping";
}
