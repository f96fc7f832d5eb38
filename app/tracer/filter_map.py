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


class FilterSwitch:
    """Replaces the filter in force: double-buffered, so that no program sees half of one."""

    def __init__(self, maps: Mapping[str, LoadedMap]) -> None:
        self._filters, self._active = maps["filters"], maps["active_filter"]
        self._generation = 0  # its lowest bit is the slot in force

    def set(self, wanted: Filter, *, enabled: bool) -> None:
        """Switch to another filter; on return no program tests the old one any more.

        The first filter is not waited for, as the programs let nothing through before it. Raises
        OSError.
        """
        is_first = self._generation == 0
        generation = self._generation + 1
        slot = _u32(generation & 1)
        self._filters.set(slot, bytes(filter_struct(wanted, enabled)))
        self._active.set(_u32(0), _u32(generation & 0xFFFFFFFF))
        self._generation = generation
        if not is_first:
            wait_for_running_programs()


def _u32(number: int) -> bytes:
    return struct.pack("=I", number)
