# SPDX-License-Identifier: Apache-2.0
"""From the kernel's monotonic stamps to wall-clock time."""

from __future__ import annotations

from time import CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime_ns


def wall_offset_ns(samples: int = 3) -> int:
    """Nanoseconds to add to a CLOCK_MONOTONIC stamp to get CLOCK_REALTIME.

    Taken anew for each batch, so that a step of the wall clock is followed at once. Of a few
    samples the one with the shortest bracket wins: being interrupted between the two clocks
    is the only error that matters, and it shows as a long bracket.
    """
    best_width, best = None, 0
    for _ in range(samples):
        before = clock_gettime_ns(CLOCK_MONOTONIC)
        wall = clock_gettime_ns(CLOCK_REALTIME)
        after = clock_gettime_ns(CLOCK_MONOTONIC)
        width = after - before
        if best_width is None or width < best_width:
            best_width, best = width, wall - before - width // 2
    return best
