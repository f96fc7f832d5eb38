# SPDX-License-Identifier: Apache-2.0
"""The filter as the programs test it (bpf/filter.c)."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping

from app.linux.syscalls import wait_for_running_programs
from app.probes.spec import Filter
from app.tracer.loader import LoadedMap

TEST_PID, TEST_UID, TEST_COMM, TEST_FAILURE, TEST_PROCESS = 1, 2, 4, 8, 16


class FilterStruct(ctypes.Structure):
    """struct filter."""

    _fields_ = (
        ("enabled", ctypes.c_uint32),
        ("tests", ctypes.c_uint32),
        ("pid", ctypes.c_uint32),
        ("uid", ctypes.c_uint32),
        ("comm", ctypes.c_char * 16),
        ("process", ctypes.c_char * 16),
    )


def filter_struct(wanted: Filter, enabled: bool) -> FilterStruct:
    """Return the kernel's form of a filter."""
    tests = (
        (TEST_PID if wanted.pid is not None else 0)
        | (TEST_UID if wanted.uid is not None else 0)
        | (TEST_COMM if wanted.comm is not None else 0)
        | (TEST_FAILURE if wanted.only_failures else 0)
        | (TEST_PROCESS if wanted.process is not None else 0)
    )
    return FilterStruct(
        int(enabled),
        tests,
        wanted.pid or 0,
        wanted.uid or 0,
        (wanted.comm or "").encode(),
        (wanted.process or "").encode(),
    )


class DoubleBuffer:
    """A map of two slots and one that says which is active, so that no program sees half a value.

    The lowest bit of the number in `active` is the active slot (bpf/active_filter.c).
    """

    def __init__(self, slots: LoadedMap, active: LoadedMap) -> None:
        self._slots, self._active = slots, active
        self._generation = 0

    def set(self, value: bytes) -> None:
        """Switch to another value; on return no program uses the old one any more.

        The first value is not waited for, as the programs let nothing through before it. Raises
        OSError.
        """
        is_first = self._generation == 0
        generation = self._generation + 1
        self._slots.set(_u32(generation & 1), value)
        self._active.set(_u32(0), _u32(generation & 0xFFFFFFFF))
        self._generation = generation
        if not is_first:
            wait_for_running_programs()


class FilterSwitch:
    """Replaces the active filter."""

    def __init__(self, maps: Mapping[str, LoadedMap]) -> None:
        self._buffer = DoubleBuffer(maps["filters"], maps["active_filter"])

    def set(self, wanted: Filter, *, enabled: bool) -> None:
        """Switch to another filter, as `DoubleBuffer.set` does."""
        self._buffer.set(bytes(filter_struct(wanted, enabled)))


def _u32(number: int) -> bytes:
    return struct.pack("=I", number)
