# SPDX-License-Identifier: Apache-2.0
"""Slots of byte code: 64-bit constants of a reserved range, in whose place numbers are put.

The lower 16 bits of the constant are the slot's number (SLOT in bpf/slots.c).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from app.tracer.instructions import LD_IMM64, walk

_SLOT, _SLOT_MASK = 0x7000000000000000, 0xFFFFFFFFFFFF0000


def filled(instructions: bytes, numbers: Mapping[int, int]) -> bytes:
    """Return the instructions with each slot's number; slots that have none become 0."""
    result = bytearray(instructions)
    for at, slot in _slots(instructions):
        _put(result, at, numbers.get(slot, 0))
    return bytes(result)


def with_number(instructions: bytes, slot: int, number: int) -> bytes:
    """Return the instructions with one slot's number; the others stay slots."""
    result = bytearray(instructions)
    for at, each in _slots(instructions):
        if each == slot:
            _put(result, at, number)
    return bytes(result)


def _put(code: bytearray, at: int, number: int) -> None:
    number &= 0xFFFFFFFFFFFFFFFF
    struct.pack_into("<I", code, at + 4, number & 0xFFFFFFFF)
    struct.pack_into("<I", code, at + 12, number >> 32)


def _slots(instructions: bytes) -> Iterator[tuple[int, int]]:
    """Yield the offset in bytes and the number of each slot."""
    for each in walk(instructions, (LD_IMM64,)):
        if not each.source and each.constant & _SLOT_MASK == _SLOT:
            yield each.at, each.constant & 0xFFFF
