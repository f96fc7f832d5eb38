# SPDX-License-Identifier: Apache-2.0
"""When a probe with `restart` is started again after its tracer failed.

The wait doubles with each failure, so that a tracer that keeps failing costs little. It is short
again after a tracer that lived for STEADY_AFTER_S.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
STEADY_AFTER_S = 60.0


@dataclass
class Restarts:
    """One probe's restarts since a caller started it. Needs the lock of the probe."""

    wanted: bool = False
    duration_s: float | None = None
    count: int = 0
    is_waiting: bool = False
    _failures: int = 0
    _attached_at_s: float | None = None
    _until_s: float = float("inf")

    def attached(self) -> None:
        """Note that a tracer attached; the requested duration counts from the first one."""
        self._attached_at_s = time.monotonic()
        if self.duration_s is not None and not self.count:
            self._until_s = self._attached_at_s + self.duration_s

    def failed(self) -> float | None:
        """Return the seconds until the next start; None if there is none."""
        if not self.wanted or (self._attached_at_s is None and not self.count):
            return None  # the first start failed, and its caller has been told
        now_s = time.monotonic()
        lived_s = 0.0 if self._attached_at_s is None else now_s - self._attached_at_s
        self._attached_at_s = None
        self._failures = 1 if lived_s >= STEADY_AFTER_S else self._failures + 1
        wait_s = min(FIRST_WAIT_S * 2.0 ** min(self._failures - 1, 16), LONGEST_WAIT_S)
        self.is_waiting = now_s + wait_s < self._until_s
        return wait_s if self.is_waiting else None

    def begin(self) -> None:
        """Note that the wait is over and the next start begins."""
        self.is_waiting = False
        self.count += 1

    def left_s(self) -> float | None:
        """Return what is left of the requested duration; None if it is unlimited."""
        if self._until_s == float("inf"):
            return self.duration_s
        return max(0.001, self._until_s - time.monotonic())
