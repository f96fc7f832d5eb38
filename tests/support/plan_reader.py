# SPDX-License-Identifier: Apache-2.0
"""Does what a program does with a plan's Reads, over memory that is a dict of bytes."""

from __future__ import annotations

from collections.abc import Mapping

from app.columns.plan import Read

MASK = (1 << 64) - 1


class FaultError(Exception):
    """No memory is at an address."""


class Memory:
    """Objects at addresses; what is between them cannot be read."""

    def __init__(self, objects: Mapping[int, bytes]) -> None:
        self._objects = dict(objects)

    def load(self, address: int, size: int) -> int:
        """Return an unsigned little-endian number; raises FaultError."""
        return int.from_bytes(self.read(address, size), "little")

    def read(self, address: int, size: int) -> bytes:
        """Return bytes; raises FaultError."""
        for start, data in self._objects.items():
            if start <= address and address + size <= start + len(data):
                return data[address - start : address - start + size]
        raise FaultError(hex(address))


def value_of(read: Read, bases: Mapping[int, int], memory: Memory) -> int:
    """Return the number that a Read obtains, as a Python integer with its sign."""
    number = bases[read.base]
    for offset in read.derefs:
        number = memory.load((number + offset) & MASK, 8)
    number = (number + read.offset) & MASK
    if read.size:
        number = memory.load(number, read.size)
    number = number << read.left & MASK
    if read.signed and number >> 63:
        number -= 1 << 64
    return number >> read.right
