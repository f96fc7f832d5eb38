# SPDX-License-Identifier: Apache-2.0
"""Values that programs read while they are replaced."""

from __future__ import annotations

import struct

from app.linux.syscalls import wait_for_running_programs
from app.tracer.loader import LoadedMap


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


def _u32(number: int) -> bytes:
    return struct.pack("=I", number)
