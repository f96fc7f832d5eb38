# SPDX-License-Identifier: Apache-2.0
"""FlatBuffers (https://flatbuffers.dev/internals/): the few forms that Arrow's messages consist of.

Everything is written once and in order; what a table refers to follows it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

ALIGNMENT = 8  # of the widest number


class Node(Protocol):
    """Something that a table or vector refers to. `write` returns where it begins in `out`."""

    def write(self, out: bytearray) -> int: ...


@dataclass(frozen=True)
class Text:
    """A string."""

    value: str

    def write(self, out: bytearray) -> int:
        _pad(out, 4)
        start, data = len(out), self.value.encode()
        out += struct.pack("<I", len(data)) + data + b"\0"
        return start


@dataclass(frozen=True)
class Vector:
    """A vector of tables or texts."""

    items: Sequence[Node]

    def write(self, out: bytearray) -> int:
        _pad(out, 4)
        start = len(out)
        out += struct.pack("<I", len(self.items)) + bytes(4 * len(self.items))
        for place, item in enumerate(self.items):
            _refer(out, start + 4 + 4 * place, item)
        return start


@dataclass(frozen=True)
class Pairs:
    """A vector of structs of two 64-bit numbers."""

    items: Sequence[tuple[int, int]]

    def write(self, out: bytearray) -> int:
        _pad(out, ALIGNMENT)
        out += bytes(4)  # the length is before the first struct, which is aligned
        start = len(out)
        numbers = [number for pair in self.items for number in pair]
        out += struct.pack(f"<I{len(numbers)}q", len(self.items), *numbers)
        return start


@dataclass(frozen=True)
class Table:
    """A table: the number of each field that is there, with its value.

    A value is a node, or a number with the format that `struct` has for it.
    """

    fields: Sequence[tuple[int, Node | tuple[str, int]]]

    def write(self, out: bytearray) -> int:
        offsets = [0] * (1 + max((number for number, _ in self.fields), default=-1))
        numbers = []
        size = 4  # the distance to the list of offsets
        for number, value in self.fields:
            form = value[0] if isinstance(value, tuple) else "I"
            width = struct.calcsize(f"<{form}")
            size += -size % width
            offsets[number] = size
            numbers.append((size, form, value))
            size += width
        head = struct.pack(f"<HH{len(offsets)}H", 4 + 2 * len(offsets), size, *offsets)
        out += bytes(-(len(out) + len(head)) % ALIGNMENT)
        out += head
        start = len(out)
        out += struct.pack("<i", len(head)) + bytes(size - 4)
        for offset, form, value in numbers:
            if isinstance(value, tuple):
                struct.pack_into(f"<{form}", out, start + offset, value[1])
            else:
                _refer(out, start + offset, value)
        return start


def encode(root: Table) -> bytes:
    """Return a buffer with this root, of a multiple of 8 bytes."""
    out = bytearray(4)
    _refer(out, 0, root)
    _pad(out, ALIGNMENT)
    return bytes(out)


def _refer(out: bytearray, place: int, node: Node) -> None:
    """Write a node, and at `place` the distance to it."""
    struct.pack_into("<I", out, place, node.write(out) - place)


def _pad(out: bytearray, width: int) -> None:
    out += bytes(-len(out) % width)
