# SPDX-License-Identifier: Apache-2.0
"""Reading BTF, the kernel's description of its own types.

Format: Documentation/bpf/btf.rst of the kernel. A kernel's BTF has 100,000 to 200,000 types in
5 MB, so types are decoded on demand: loading walks the type section once to find where each type
starts, and names are searched in the string section.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.btf.format import (
    MODIFIERS,
    BtfError,
    Kind,
    count_of,
    flag_of,
    kind_of,
    sections,
    starts,
)
from app.linux import paths

POINTER_SIZE = 8  # BPF tracing is offered on 64-bit kernels only
VOID = 0

# The kernel allows 32 modifiers and typedefs in a row (MAX_RESOLVE_DEPTH in kernel/bpf/btf.c).
_MAX_DEPTH = 64

_SIZED = frozenset({Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.FLOAT, Kind.ENUM64})


@dataclass(frozen=True)
class Member:
    """A member of a struct or union. `bit_size` is 0 unless it is a bit-field."""

    name: str
    type_id: int
    bit_offset: int
    bit_size: int


@dataclass(frozen=True)
class Enumerator:
    """One constant of an enum."""

    name: str
    value: int


class Btf:
    """Parsed BTF. Type ids count from 1; 0 is `void`."""

    def __init__(self, data: bytes) -> None:
        """Parse the bytes of a `.BTF` section; raises BtfError."""
        self._types, self._strings = sections(data)
        self._words = memoryview(self._types).cast("I")
        self._starts = starts(self._words)

    @classmethod
    def load(cls, path: Path) -> Btf:
        """Read a file such as /sys/kernel/btf/vmlinux; raises OSError, BtfError."""
        return cls(paths.read_bytes(path))

    def __len__(self) -> int:
        """Return the number of type ids, including `void`."""
        return len(self._starts)

    def find(self, kind: Kind, name: str) -> int | None:
        """Return the first type of this kind and name, or None.

        Searches bytes: the name in the strings, then its offset at the start of a type.
        """
        needle = name.encode()
        if not needle or b"\0" in needle:
            return None
        offset = self._strings.find(b"\0" + needle + b"\0") + 1
        if offset == 0:
            return None
        pattern = struct.pack("=I", offset)
        at = self._types.find(pattern)
        while at != -1:
            if at % 4 == 0:
                type_id = bisect_left(self._starts, at // 4)
                if (
                    type_id < len(self._starts)
                    and self._starts[type_id] == at // 4
                    and self.kind(type_id) == kind
                ):
                    return type_id
            at = self._types.find(pattern, at + 1)
        return None

    def kind(self, type_id: int) -> Kind | None:
        """Return a type's kind; None for `void`."""
        if type_id == VOID:
            return None
        return Kind(kind_of(self._words[self._start(type_id) + 1]))

    def name(self, type_id: int) -> str:
        """Return a type's name, empty if it has none."""
        return "" if type_id == VOID else self._string(self._words[self._start(type_id)])

    def target(self, type_id: int) -> int:
        """Return the type to which a pointer, typedef, modifier, array or function refers."""
        start = self._start(type_id)
        if self.kind(type_id) == Kind.ARRAY:
            start += 1  # struct btf_array follows: element, index, count
        return self._words[start + 2]

    def element_count(self, array_id: int) -> int:
        """Return the number of elements of an array; 0 for a flexible one."""
        return self._words[self._start(array_id) + 5]

    def forward_is_union(self, type_id: int) -> bool:
        """Return whether a forward declaration is of a union."""
        return flag_of(self._words[self._start(type_id) + 1])

    def strip(self, type_id: int) -> int:
        """Return the type without const, volatile, restrict and type tags."""
        for _ in range(_MAX_DEPTH):
            if self.kind(type_id) not in MODIFIERS:
                return type_id
            type_id = self.target(type_id)
        raise BtfError(f"type {type_id}: modifiers that refer to themselves")

    def resolve(self, type_id: int) -> int:
        """Return the type without modifiers and typedefs."""
        for _ in range(_MAX_DEPTH):
            type_id = self.strip(type_id)
            if self.kind(type_id) != Kind.TYPEDEF:
                return type_id
            type_id = self.target(type_id)
        raise BtfError(f"type {type_id}: typedefs that refer to themselves")

    def size(self, type_id: int) -> int:
        """Return a type's size in bytes; raises BtfError if it has none (void, functions)."""
        count = 1
        for _ in range(_MAX_DEPTH):
            type_id = self.resolve(type_id)
            kind = self.kind(type_id)
            if kind == Kind.PTR:
                return count * POINTER_SIZE
            if kind in _SIZED:
                return count * self._words[self._start(type_id) + 2]
            if kind != Kind.ARRAY:
                raise BtfError(f"type {type_id} ({self.name(type_id)!r}) has no size")
            count *= self.element_count(type_id)
            type_id = self.target(type_id)
        raise BtfError(f"type {type_id}: arrays that contain themselves")

    def int_is_signed(self, type_id: int) -> bool:
        """Return whether an integer is signed."""
        return bool(self._words[self._start(type_id) + 3] >> 24 & 1)

    def enum_is_signed(self, type_id: int) -> bool:
        """Return whether an enum is signed. Before Linux 6.0 every enum is marked as unsigned."""
        return flag_of(self._words[self._start(type_id) + 1])

    def enumerators(self, type_id: int) -> list[Enumerator]:
        """Return the constants of an enum, 32 or 64 bits wide."""
        start = self._start(type_id)
        wide = self.kind(type_id) == Kind.ENUM64
        signed = self.enum_is_signed(type_id)
        width, bits = (3, 64) if wide else (2, 32)
        found = []
        for at in range(start + 3, start + 3 + width * count_of(self._words[start + 1]), width):
            value = self._words[at + 1] | (self._words[at + 2] << 32 if wide else 0)
            if signed and value >> (bits - 1):
                value -= 1 << bits
            found.append(Enumerator(self._string(self._words[at]), value))
        return found

    def members(self, type_id: int) -> list[Member]:
        """Return the members of a struct or union, in declaration order."""
        start = self._start(type_id)
        info = self._words[start + 1]
        found = []
        for at in range(start + 3, start + 3 + 3 * count_of(info), 3):
            member_type, offset, bits = self._words[at + 1], self._words[at + 2], 0
            if flag_of(info):  # the offset also contains a bit-field's size
                offset, bits = offset & 0xFFFFFF, offset >> 24
            else:
                extra, bits = self._old_bit_field(member_type)
                offset += extra
            found.append(Member(self._string(self._words[at]), member_type, offset, bits))
        return found

    def find_member(self, type_id: int, name: str) -> Member | None:
        """Find a member by name, also in anonymous members; its offset is from the outermost."""
        return self._find_member(type_id, name, 0)

    def member_offset(self, struct_name: str, member: str) -> int | None:
        """Return a struct member's offset in bytes, or None if the kernel has no such member.

        Raises BtfError for a bit-field, which has no address.
        """
        type_id = self.find(Kind.STRUCT, struct_name)
        found = None if type_id is None else self.find_member(type_id, member)
        if found is None:
            return None
        if found.bit_size or found.bit_offset % 8:
            raise BtfError(f"{struct_name}.{member} is a bit-field")
        return found.bit_offset // 8

    def parameters(self, proto_id: int) -> list[tuple[str, int]]:
        """Return name and type of each parameter; a nameless last one of type 0 means `...`."""
        start = self._start(proto_id)
        return [
            (self._string(self._words[at]), self._words[at + 1])
            for at in range(start + 3, start + 3 + 2 * count_of(self._words[start + 1]), 2)
        ]

    def __iter__(self) -> Iterator[int]:
        """Iterate over all type ids except `void`."""
        return iter(range(1, len(self._starts)))

    def _find_member(self, type_id: int, name: str, depth: int) -> Member | None:
        if depth > _MAX_DEPTH:
            raise BtfError(f"type {type_id}: anonymous members that contain themselves")
        for member in self.members(type_id):
            if member.name == name:
                return member
            inner = self.resolve(member.type_id)
            if member.name or self.kind(inner) not in (Kind.STRUCT, Kind.UNION):
                continue
            found = self._find_member(inner, name, depth + 1)
            if found is not None:
                offset = member.bit_offset + found.bit_offset
                return Member(found.name, found.type_id, offset, found.bit_size)
        return None

    def _old_bit_field(self, type_id: int) -> tuple[int, int]:
        """Return the bit-field offset and size in an integer type itself (BTF before kind_flag)."""
        inner = self.resolve(type_id)
        if self.kind(inner) != Kind.INT:
            return 0, 0
        encoding = self._words[self._start(inner) + 3]
        offset, bits = encoding >> 16 & 0xFF, encoding & 0xFF
        return (0, 0) if offset == 0 and bits == self.size(inner) * 8 else (offset, bits)

    def _start(self, type_id: int) -> int:
        if not 0 < type_id < len(self._starts):
            raise BtfError(f"type id {type_id} is not one of 1 to {len(self._starts) - 1}")
        return self._starts[type_id]

    def _string(self, offset: int) -> str:
        end = self._strings.find(b"\0", offset)
        if end == -1:
            raise BtfError(f"name at {offset}, past the end of the string section")
        return self._strings[offset:end].decode("utf-8", "replace")
