# SPDX-License-Identifier: Apache-2.0
"""Convert the kernel's monotonic timestamps to wall-clock time.

Programs take timestamps with bpf_ktime_get_ns(), the machine's CLOCK_MONOTONIC. In a time namespace
(time_namespaces(7)) a process reads a clock with a constant offset from it.
"""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path
from time import CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime_ns
from typing import Any

import numpy as np

# The offsets for children of this process, and for itself, as it never changes its namespace.
TIMENS_OFFSETS = Path("/proc/self/timens_offsets")
# A smaller change of the offset between two samples is slewing (NTP) or an interrupted measurement.
# A larger one is a step: the clock was set, or the machine was suspended, which CLOCK_MONOTONIC
# does not count.
STEP_NS = 1_000_000
STEPS = 64  # remembered, for calls that began before them
_SHORT_NS = 2000
_SAMPLES = 3


def namespace_offset_ns(path: Path = TIMENS_OFFSETS) -> int:
    """Return how far this process's CLOCK_MONOTONIC is ahead of the machine's.

    The file reads `monotonic 86400 0`, seconds and nanoseconds, then the same for boottime. Raises
    OSError, ValueError.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:  # a kernel without time namespaces (CONFIG_TIME_NS, v5.6)
        return 0
    found = re.search(r"^monotonic\s+(-?\d+)\s+(\d+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{path} has no line for the monotonic clock")
    return int(found[1]) * 1_000_000_000 + int(found[2])


class WallClock:
    """The wall clock for the kernel's timestamps since the first sample, with its steps.

    Sample it regularly: a timestamp between the last sample before a step and the first one after
    it is converted as if it came after the step.
    """

    def __init__(self) -> None:
        self._ahead_ns = namespace_offset_ns()
        self.sampled_ns = 0  # when the last sample was taken, as a timestamp of programs
        # Pairs of the first timestamp for which an offset is valid, and the offset.
        self._offsets: deque[tuple[int, int]] = deque(maxlen=STEPS)

    def now_ns(self) -> int:
        """Return the timestamp that a program would take now."""
        return clock_gettime_ns(CLOCK_MONOTONIC) - self._ahead_ns

    def sample(self) -> None:
        """Compare the wall clock with the monotonic one."""
        now_ns, offset = self._measure()
        if not self._offsets:
            self._offsets.append((0, offset))
        elif abs(offset - self._offsets[-1][1]) < STEP_NS:
            self._offsets[-1] = (self._offsets[-1][0], offset)
        else:
            self._offsets.append((self.sampled_ns + 1, offset))
        self.sampled_ns = now_ns

    def offset_ns(self, stamps: np.ndarray[Any, Any]) -> int | np.ndarray[Any, Any]:
        """Return the nanoseconds to add to these timestamps to get their CLOCK_REALTIME."""
        if len(self._offsets) == 1:
            return self._offsets[0][1]
        starts, offsets = np.array(self._offsets, dtype=np.int64).T
        places = np.searchsorted(starts, stamps.astype(np.int64), side="right") - 1
        found: np.ndarray[Any, Any] = offsets[np.maximum(places, 0)]
        return found

    def _measure(self) -> tuple[int, int]:
        """Return a timestamp and the wall clock's offset from it.

        Of a few samples the shortest is used: the only error that matters is an interruption
        between reading the two clocks, which makes the sample long.
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
