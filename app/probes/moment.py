# SPDX-License-Identifier: Apache-2.0
"""A moment that a caller waits for, and the probe as it was then.

Before the waiting caller has the lock back, others may have stopped the probe or started it
again. Its answer is about the run that it handled all the same.
"""

from __future__ import annotations

from collections.abc import Callable

from app.probes.json_shapes import ProbeJson


class Moment:
    """When a run attached, confirmed a filter or ended. Needs the lock of the probe."""

    def __init__(self, has_come: Callable[[], bool]) -> None:
        self._has_come = has_come
        self._probe: ProbeJson | None = None

    @property
    def is_past(self) -> bool:
        return self._probe is not None

    @property
    def probe(self) -> ProbeJson:
        """The probe as it was at this moment. Raises LookupError before it."""
        if self._probe is None:
            raise LookupError("the moment has not come yet")
        return self._probe

    def observe(self, describe: Callable[[], ProbeJson]) -> None:
        """Keep the description of the probe if the moment has just come."""
        if self._probe is None and self._has_come():
            self._probe = describe()
