# SPDX-License-Identifier: Apache-2.0
"""Whether a probe's programs still run.

Programs that the kernel has attached may never run, for example while ftrace or all kprobes are
switched off.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from app.kernel.hints import why_silent
from app.timestamps import now

INTERVAL_S = 1.0
# A check may fail once: the kernel skips a program that is already running on this CPU, and
# programs of some types while another task changes a map there.
RETRY_S = 0.1
MISSES = 3
ATTACH_RETRY_S = 0.02


class Sight:
    """Checks regularly whether a probe's programs run.

    `unseen` returns which do not, in words.
    """

    def __init__(self, mode: str, unseen: Callable[[], list[str]]) -> None:
        self._mode = mode
        self._unseen = unseen
        self._misses = 0
        self._seen_at = now()
        self.blind: dict[str, str] | None = None

    def check_attached(self) -> tuple[str, str] | None:
        """Check right after attaching; return why the programs do not run and a hint, or None."""
        for _ in range(MISSES):
            missing = self._unseen()
            if not missing:
                self._seen_at = now()
                return None
            time.sleep(ATTACH_RETRY_S)
        return why_silent(self._mode, missing)

    def check(self) -> bool:
        """Check once; return whether `blind` has changed."""
        was = self.blind
        checked_at = now()  # before the calls, which say nothing of what comes after them
        missing = self._unseen()
        if not missing:
            self._misses, self._seen_at, self.blind = 0, checked_at, None
        else:
            self._misses += 1
            if self._misses >= MISSES:
                # Each time, as a switch may have been turned on and off since.
                reason, hint = why_silent(self._mode, missing)
                self.blind = {"since": self._seen_at, "reason": reason, "hint": hint}
        return was != self.blind

    @property
    def interval_s(self) -> float:
        """How long to wait until the next check."""
        return RETRY_S if 0 < self._misses < MISSES else INTERVAL_S
