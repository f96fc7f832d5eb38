# SPDX-License-Identifier: Apache-2.0
"""What our programs cost each traced call, by the kernel's own clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from app.linux.bpf import enable_run_time_stats

# Measuring costs every BPF program of the machine two readings of the clock, so it goes on
# for a number of calls and rests then. Where few calls come it never rests, and costs nothing.
ENOUGH_CALLS = 1000
REST_S = 10.0


@dataclass(frozen=True)
class RunTime:
    """Of all programs of a probe: time spent in them, and how often a traced call entered.

    In the time, and not among the calls, are `canaries` of other tracers, of `canary_ns` at least
    each.
    """

    time_ns: int
    calls: int
    canaries: int = 0
    canary_ns: float = 0.0


class CostMeter:
    """Measures in turns. A context manager: leaving it ends the measuring.

    `read` gives the totals that the kernel counts while measuring is on, for anyone.
    """

    def __init__(self, read: Callable[[], RunTime]) -> None:
        self._read = read
        self._stats_fd: int | None = None
        self._start = RunTime(0, 0)
        self._rest_until = 0.0
        self._result: dict[str, float] | None = None
        self.supported = True

    def __enter__(self) -> CostMeter:
        return self

    def __exit__(self, *exc: object) -> None:
        self._rest()

    def measure(self) -> dict[str, float] | None:
        """`calls` measured last and `ns_per_call` in them; None when nothing was.

        To be called now and then. The time is that inside the programs: the way into them (a
        trampoline, a kprobe's trap) is not in it.
        """
        if self._stats_fd is None:
            if self.supported and monotonic() >= self._rest_until:
                self._begin()
            return self._result
        now = self._read()
        calls = now.calls - self._start.calls
        if calls > 0:
            canaries = now.canaries - self._start.canaries
            time_ns = now.time_ns - self._start.time_ns - now.canary_ns * canaries
            self._result = {"calls": calls, "ns_per_call": round(time_ns / calls, 1)}
        if calls >= ENOUGH_CALLS:
            self._rest()
            self._rest_until = monotonic() + REST_S
        return self._result

    def _begin(self) -> None:
        try:
            self._stats_fd = enable_run_time_stats()
        except OSError:
            self.supported = False  # before Linux 5.8: the cost stays unknown, and is shown so
            return
        self._start = self._read()

    def _rest(self) -> None:
        if self._stats_fd is not None:
            os.close(self._stats_fd)
            self._stats_fd = None
