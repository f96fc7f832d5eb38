# SPDX-License-Identifier: Apache-2.0
"""When a probe that asked for it is started again, after its tracer failed.

The wait doubles with each failure, so that a tracer that cannot live costs little, and is short
again after one that lived for a while.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
STEADY_AFTER_S = 60.0


@dataclass
class Restarts:
    """One probe's restarts since it was asked for. Not locked: its probe's lock is."""

    wanted: bool = False
    duration_s: float | None = None
    count: int = 0
    is_waiting: bool = False
    _failures: int = 0
    _attached_at_s: float | None = None
    _until_s: float = float("inf")

    def attached(self) -> None:
        """The tracer runs; the duration asked for counts from the first time."""
        self._attached_at_s = time.monotonic()
        if self.duration_s is not None and not self.count:
            self._until_s = self._attached_at_s + self.duration_s

    def failed(self) -> float | None:
        """Seconds to wait until the next start; None for no further start."""
        if not self.wanted or (self._attached_at_s is None and not self.count):
            return None  # who asked has been told that it did not start
        now_s = time.monotonic()
        lived_s = 0.0 if self._attached_at_s is None else now_s - self._attached_at_s
        self._attached_at_s = None
        self._failures = 1 if lived_s >= STEADY_AFTER_S else self._failures + 1
        wait_s = min(FIRST_WAIT_S * 2.0 ** min(self._failures - 1, 16), LONGEST_WAIT_S)
        self.is_waiting = now_s + wait_s < self._until_s
        return wait_s if self.is_waiting else None

    def begin(self) -> None:
        """The wait is over."""
        self.is_waiting = False
        self.count += 1

    def left_s(self) -> float | None:
        """What is left of the duration asked for; None for no end."""
        if self._until_s == float("inf"):
            return self.duration_s
        return max(0.001, self._until_s - time.monotonic())
