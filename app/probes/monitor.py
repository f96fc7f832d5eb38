# SPDX-License-Identifier: Apache-2.0
"""A thread that tells clients of new counters, and kills tracers that hang."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from app.hub import Hub
from app.probes.notifier import Notifier
from app.probes.probe import Probe, State
from app.probes.run_end import End

INTERVAL_S = 0.5


class Monitor:
    """Polls all probes every INTERVAL_S until `closing` is set."""

    def __init__(
        self,
        probes: Callable[[], Iterable[Probe]],
        hub: Hub,
        notifier: Notifier,
        closing: threading.Event,
        tracer_silence_s: float,
    ) -> None:
        self._probes, self._hub, self._notifier = probes, hub, notifier
        self._closing = closing
        self._tracer_silence_s = tracer_silence_s
        self._told: dict[str, dict[str, int]] = {}

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="monitor", daemon=True).start()

    def _run(self) -> None:
        while not self._closing.wait(INTERVAL_S):
            self.poll()

    def poll(self) -> None:
        """Check each probe once."""
        told: dict[str, dict[str, int]] = {}  # without probes that are forgotten
        for probe in self._probes():
            self._kill_if_hung(probe)
            told[probe.id] = counters = self._hub.counters(probe.id)
            if self._told.get(probe.id) != counters:
                with probe.changed:
                    self._notifier.tell(probe)
        self._told = told

    def _kill_if_hung(self, probe: Probe) -> None:
        """Kill an attached tracer that sends nothing, not even that it is alive.

        That frees what it holds of the kernel, and tells clients that rows may be missing.
        Silence is counted in polls: a clock would also count while this process was stopped.
        """
        run, silence_s = probe.run, self._tracer_silence_s
        if run is None or run.end is not None or not run.attached:
            return
        if probe.state is not State.RUNNING:
            return
        run.silent_polls += 1
        if run.silent_polls * INTERVAL_S > silence_s:
            detail = f"the tracer hung: it sent nothing for {silence_s:g} s and was killed"
            run.kill(End("tracer_failed", detail, extra={"reason": "no sign of life"}))
