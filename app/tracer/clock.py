# SPDX-License-Identifier: Apache-2.0
"""From the kernel's monotonic stamps to wall-clock time.

Programs stamp with bpf_ktime_get_ns(): CLOCK_MONOTONIC of the machine. A process in a time
namespace (time_namespaces(7)) reads another one, which is off by a constant.
"""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path
from time import CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime_ns
from typing import Any

import numpy as np

# Of this process' children, and so of itself: a tracer is its parent's child and moves nowhere.
TIMENS_OFFSETS = Path("/proc/self/timens_offsets")
# An offset that changes by less between two samples was slewed (by NTP), or measured while being
# interrupted. More is a step: the clock was set, or the machine was asleep, which
# CLOCK_MONOTONIC does not count.
STEP_NS = 1_000_000
STEPS = 64  # remembered: for calls that began before
_SHORT_NS = 2000
_SAMPLES = 3


def namespace_offset_ns(path: Path = TIMENS_OFFSETS) -> int:
    """What CLOCK_MONOTONIC is ahead here of the machine's; raises OSError, ValueError.

    The file reads `monotonic 86400 0`: seconds and nanoseconds, then the same of boottime.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:  # a kernel without time namespaces (CONFIG_TIME_NS, Linux 5.6)
        return 0
    found = re.search(r"^monotonic\s+(-?\d+)\s+(\d+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{path} has no line for the monotonic clock")
    return int(found[1]) * 1_000_000_000 + int(found[2])


class WallClock:
    """The wall clock by the kernel's stamps, from the first sample on; steps are remembered.

    To be sampled now and then: a stamp from between the last sample before a step and the first
    after it is taken to be from after the step.
    """

    def __init__(self) -> None:
        self._ahead_ns = namespace_offset_ns()
        self._sampled_ns = 0
        # Stamps from which on an offset holds, and the offset.
        self._offsets: deque[tuple[int, int]] = deque(maxlen=STEPS)

    def now_ns(self) -> int:
        """What a program's stamp would be now."""
        return clock_gettime_ns(CLOCK_MONOTONIC) - self._ahead_ns

    def sample(self) -> None:
        """See what the wall clock says now."""
        now_ns, offset = self._measure()
        if not self._offsets:
            self._offsets.append((0, offset))
        elif abs(offset - self._offsets[-1][1]) < STEP_NS:
            self._offsets[-1] = (self._offsets[-1][0], offset)
        else:
            self._offsets.append((self._sampled_ns + 1, offset))
        self._sampled_ns = now_ns

    def offset_ns(self, stamps: np.ndarray[Any, Any]) -> int | np.ndarray[Any, Any]:
        """Nanoseconds to add to these stamps to get CLOCK_REALTIME as it was then."""
        if len(self._offsets) == 1:
            return self._offsets[0][1]
        starts, offsets = np.array(self._offsets, dtype=np.int64).T
        places = np.searchsorted(starts, stamps.astype(np.int64), side="right") - 1
        found: np.ndarray[Any, Any] = offsets[np.maximum(places, 0)]
        return found

    def _measure(self) -> tuple[int, int]:
        """A stamp, and the wall clock's distance from it.

        Of a few samples the one with the shortest bracket wins: being interrupted between the
        two clocks is the only error that matters, and it shows as a long bracket.
        """
        best = None
        for _ in range(_SAMPLES):
            before = self.now_ns()
            wall = clock_gettime_ns(CLOCK_REALTIME)
            width = self.now_ns() - before
            if best is None or width < best[0]:
                best = width, before, wall - before - width // 2
            if width < _SHORT_NS:
                break
        assert best is not None  # one sample at least
        return best[1:]
