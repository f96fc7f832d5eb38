# SPDX-License-Identifier: Apache-2.0
"""Reading BTF, the kernel's description of its own types.

Format: Documentation/bpf/btf.rst of the kernel. A kernel's BTF has 100,000 to 200,000 types in
5 MB, so types are decoded on demand: loading walks the type section once to find where each type
starts, and names are searched in the string section.

A module's BTF is split: it continues the ids and the string offsets of the kernel's, to which its
types refer (Documentation/bpf/btf.rst, "BTF_BASE"; libbpf's btf__new_split).
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

_KINDS = {int(kind): kind for kind in Kind}  # an enum's own look-up takes ten times as long
_FUNC_PROTO = int(Kind.FUNC_PROTO)
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

    def __init__(self, data: bytes, base: Btf | None = None) -> None:
        """Parse the bytes of a `.BTF` section; raises BtfError.

        With `base`, `data` is split BTF that continues it.
        """
        self._base = base
        self._types, self._strings = sections(data, is_split=base is not None)
        self._words = memoryview(self._types).cast("I")
        self._starts = starts(self._words)
        # Those of the first type and the first string that are not the base's.
        self._first_id = 1 if base is None else len(base)
        self._first_string = 0 if base is None else base._end_of_strings

    @classmethod
    def load(cls, path: Path, base: Btf | None = None) -> Btf:
        """Read a file such as /sys/kernel/btf/vmlinux; raises OSError, BtfError.

        A module's, such as /sys/kernel/btf/xfs, needs the kernel's as `base`.
        """
        return cls(paths.read_bytes(path), base)

    def __len__(self) -> int:
        """Return the number of type ids, including `void` and those of the base."""
        return self._first_id + len(self._starts) - 1

    def find(self, kind: Kind, name: str) -> int | None:
        """Return the first type of this kind and name, or None; in split BTF its own first.

        Searches bytes: the name in the strings, then its offset at the start of a type.
        """
        needle = name.encode()
        if not needle or b"\0" in needle:
            return None
        offset = self._find_string(needle)
        found = None if offset is None else self._find_named(kind, offset)
        return self._base.find(kind, name) if found is None and self._base is not None else found

    def _find_named(self, kind: Kind, name_offset: int) -> int | None:
        """Return the first type of our own of this kind whose name is at this offset."""
        pattern = struct.pack("=I", name_offset)
        at = self._types.find(pattern)
        while at != -1:
            if at % 4 == 0:
                index = bisect_left(self._starts, at // 4)
                if index < len(self._starts) and self._starts[index] == at // 4:
                    type_id = self._first_id + index - 1
                    if self.kind(type_id) == kind:
                        return type_id
            at = self._types.find(pattern, at + 1)
        return None

    def _find_string(self, text: bytes) -> int | None:
        """Return a text's offset; split BTF does not repeat a string of its base."""
        if self._base is not None and (found := self._base._find_string(text)) is not None:
            return found
        if self._strings.startswith(text + b"\0"):  # only split BTF's strings begin with a text
            return self._first_string
        at = self._strings.find(b"\0" + text + b"\0")
        return None if at == -1 else self._first_string + at + 1

    @property
    def _end_of_strings(self) -> int:
        return self._first_string + len(self._strings)

    def kind(self, type_id: int) -> Kind | None:
        """Return a type's kind; None for `void`."""
        if type_id == VOID:
            return None
        return _KINDS[kind_of(self._type(type_id)[1])]  # others are refused at first (`starts`)

    def name(self, type_id: int) -> str:
        """Return a type's name, empty if it has none."""
        return "" if type_id == VOID else self._string(self._type(type_id)[0])

    def target(self, type_id: int) -> int:
        """Return the type to which a pointer, typedef, modifier, array or function refers."""
        words = self._type(type_id)
        # Of an array, struct btf_array follows: element, index, count.
        return words[3 if kind_of(words[1]) == Kind.ARRAY else 2]

    def element_count(self, array_id: int) -> int:
        """Return the number of elements of an array; 0 for a flexible one."""
        return self._type(array_id)[5]

    def forward_is_union(self, type_id: int) -> bool:
        """Return whether a forward declaration is of a union."""
        return flag_of(self._type(type_id)[1])

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
                return count * self._type(type_id)[2]
            if kind != Kind.ARRAY:
                raise BtfError(f"type {type_id} ({self.name(type_id)!r}) has no size")
            count *= self.element_count(type_id)
            type_id = self.target(type_id)
        raise BtfError(f"type {type_id}: arrays that contain themselves")

    def int_is_signed(self, type_id: int) -> bool:
        """Return whether an integer is signed."""
        return bool(self._type(type_id)[3] >> 24 & 1)

    def enum_is_signed(self, type_id: int) -> bool:
        """Return whether an enum is signed.

        Linux kernel commit 6089fb325cf7 ("bpf: Add btf enum64 support", v6.0) added the mark:
        before it, every enum reads as unsigned.
        """
        return flag_of(self._type(type_id)[1])

    def enumerators(self, type_id: int) -> list[Enumerator]:
        """Return the constants of an enum, 32 or 64 bits wide."""
        words = self._type(type_id)
        wide = self.kind(type_id) == Kind.ENUM64
        signed = self.enum_is_signed(type_id)
        width, bits = (3, 64) if wide else (2, 32)
        found = []
        for at in range(3, 3 + width * count_of(words[1]), width):
            value = words[at + 1] | (words[at + 2] << 32 if wide else 0)
            if signed and value >> (bits - 1):
                value -= 1 << bits
            found.append(Enumerator(self._string(words[at]), value))
        return found

    def members(self, type_id: int) -> list[Member]:
        """Return the members of a struct or union, in declaration order."""
        words = self._type(type_id)
        info = words[1]
        found = []
        for at in range(3, 3 + 3 * count_of(info), 3):
            member_type, offset, bits = words[at + 1], words[at + 2], 0
            if flag_of(info):  # the offset also contains a bit-field's size
                offset, bits = offset & 0xFFFFFF, offset >> 24
            else:
                extra, bits = self._old_bit_field(member_type)
                offset += extra
            found.append(Member(self._string(words[at]), member_type, offset, bits))
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
        words = self._type(proto_id)
        return [
            (self._string(words[at]), words[at + 1])
            for at in range(3, 3 + 2 * count_of(words[1]), 2)
        ]

    def functions(self) -> Iterator[tuple[int, str, int]]:
        """Iterate over id, name and prototype of each function, in split BTF of its own only."""
        words, function = self._words, int(Kind.FUNC)
        for type_id, start in enumerate(self._starts[1:], self._first_id):
            if words[start + 1] >> 24 & 0x7F == function:  # kind_of, 130,000 times
                yield type_id, self._string(words[start]), words[start + 2]

    def prototype_words(self, proto_id: int) -> list[int]:
        """Return the type that a prototype returns, then what `parameters` does as words: offset
        of the name, type, offset, type ...

        For passes over all functions, which share most of their names: see `text_at`. Raises
        BtfError if this is no prototype.
        """
        words = self._type(proto_id)
        info = words[1]
        if kind_of(info) != _FUNC_PROTO:
            raise BtfError(f"type {proto_id} is not a prototype")
        return words[2 : 3 + 2 * count_of(info)].tolist()

    def text_at(self, offset: int) -> str:
        """Return the text at an offset of the string section, of the base's too."""
        return self._string(offset)

    def __iter__(self) -> Iterator[int]:
        """Iterate over all type ids except `void`, in split BTF over its own only."""
        return iter(range(self._first_id, len(self)))

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
        encoding = self._type(inner)[3]
        offset, bits = encoding >> 16 & 0xFF, encoding & 0xFF
        return (0, 0) if offset == 0 and bits == self.size(inner) * 8 else (offset, bits)

    def _type(self, type_id: int) -> memoryview[int]:
        """Return the words of a type and of all that follow it."""
        if self._base is not None and 0 < type_id < self._first_id:
            return self._base._type(type_id)
        index = type_id - self._first_id + 1
        if not 0 < index < len(self._starts):
            raise BtfError(f"type id {type_id} is not one of 1 to {len(self) - 1}")
        return self._words[self._starts[index] :]

    def _string(self, offset: int) -> str:
        if self._base is not None and offset < self._first_string:
            return self._base._string(offset)
        at = offset - self._first_string
        end = self._strings.find(b"\0", at)
        if end == -1:
            raise BtfError(f"name at {offset}, past the end of the string section")
        return self._strings[at:end].decode("utf-8", "replace")
