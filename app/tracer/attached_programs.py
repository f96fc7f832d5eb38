# SPDX-License-Identifier: Apache-2.0
"""What the programs of deletions and those of a plan have in common: their counts and their end."""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from typing import TypeVar

from app.linux.bpf import ProgInfo
from app.linux.syscalls import wait_for_running_programs
from app.tracer.loader import LoadedObject
from app.tracer.records import CALLS_ENTERED, CALLS_LEFT

_Self = TypeVar("_Self", bound="AttachedPrograms")


class AttachedPrograms:
    """Programs in the kernel. A context manager: leaving it detaches and unloads.

    A subclass sets `_object`, whose map `counts` is that of bpf/counters.c.
    """

    _object: LoadedObject

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._object.__exit__(*exc)

    def calls_in_progress(self) -> int:
        """Return how many calls were seen at entry but not yet at return; 0 in entry modes."""
        return self._count(CALLS_ENTERED) - self._count(CALLS_LEFT)

    def _count(self, index: int) -> int:
        return self._object.maps["counts"].sum(struct.pack("=I", index))

    def wait_for_returns(self, timeout_s: float) -> None:
        """After disabling: let calls in progress return and be emitted."""
        deadline = time.monotonic() + timeout_s
        while self.calls_in_progress() and time.monotonic() < deadline:
            time.sleep(0.002)

    def detach(self) -> None:
        """Detach the programs and wait for those running; the maps stay until the context exits."""
        self._object.detach()
        wait_for_running_programs()


def run_time_ns(infos: Mapping[str, ProgInfo]) -> int:
    """Return the time spent in all programs."""
    return sum(info.run_time_ns for info in infos.values())
