// SPDX-License-Identifier: Apache-2.0

// Which probe to start when a person just wants to watch.

// With the result before without, cheaper before dearer (app/probes/modes.py, PREFERENCE).
const PREFERENCE = ["fexit", "kretprobe", "tracepoint", "fentry", "kprobe"];

/** The best available probe, null when this kernel allows none. */
export function bestProbe(probes) {
  const rank = ({ mode }) => {
    const place = PREFERENCE.indexOf(mode);
    return place < 0 ? PREFERENCE.length : place;
  };
  const available = probes.filter((probe) => probe.available);
  return available.sort((a, b) => rank(a) - rank(b))[0] ?? null;
}

/** Whether the probe holds, or is about to hold, something in the kernel, so that it can be stopped. */
export function isActive({ state, ended }) {
  const waitsToRestart = state === "failed" && ended?.restart_at !== undefined;
  return waitsToRestart || state === "starting" || state === "running" || state === "stopping";
}
