# SPDX-License-Identifier: Apache-2.0
"""What our programs cost each traced call, as the kernel measures it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from app.linux.bpf import enable_run_time_stats

# Measuring costs every BPF program of the machine two clock readings, so it pauses after a number
# of calls. With few calls it never pauses, and costs nothing.
ENOUGH_CALLS = 1000
PAUSE_S = 10.0


@dataclass(frozen=True)
class RunTime:
    """Time spent in all programs of a probe, and how many traced calls entered.

    The time includes `canaries` of other tracers, of at least `canary_ns` each; the calls do not.
    """

    time_ns: int
    calls: int
    canaries: int = 0
    canary_ns: float = 0.0


class CostMeter:
    """Measures intermittently. A context manager that stops measuring on exit.

    `read` returns the totals that the kernel counts while any process measures.
    """

    def __init__(self, read: Callable[[], RunTime]) -> None:
        self._read = read
        self._stats_fd: int | None = None
        self._start = RunTime(0, 0)
        self._paused_until = 0.0
        self._result: dict[str, float] | None = None
        self.supported = True

    def __enter__(self) -> CostMeter:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pause()

    def measure(self) -> dict[str, float] | None:
        """Return `calls` and `ns_per_call` of the last measurement, or None before the first.

        Call this regularly. The time is that inside the programs, without the way into them (a
        trampoline, a kprobe's trap).
        """
        if self._stats_fd is None:
            if self.supported and monotonic() >= self._paused_until:
                self._begin()
            return self._result
        now = self._read()
        calls = now.calls - self._start.calls
        if calls > 0:
            canaries = now.canaries - self._start.canaries
            time_ns = now.time_ns - self._start.time_ns - now.canary_ns * canaries
            self._result = {"calls": calls, "ns_per_call": round(time_ns / calls, 1)}
        if calls >= ENOUGH_CALLS:
            self._pause()
            self._paused_until = monotonic() + PAUSE_S
        return self._result

    def _begin(self) -> None:
        try:
            self._stats_fd = enable_run_time_stats()
        except OSError:
            # Linux kernel commit d46edd671a14 ("bpf: Sharing bpf runtime stats with
            # BPF_ENABLE_STATS", v5.8) added this; before it the cost is shown as unknown.
            self.supported = False
            return
        self._start = self._read()

    def _pause(self) -> None:
        if self._stats_fd is not None:
            os.close(self._stats_fd)
            self._stats_fd = None
