# SPDX-License-Identifier: Apache-2.0
"""How to declare a struct so that C places its members where BTF says they are.

BTF has offsets and sizes, but not `packed`, `aligned` or padding. A `Plan` is a declaration that
yields these offsets under the rules that gcc and clang share on x86-64, arm64 and BPF (for
bit-fields the System V ABI's), with explicit padding where needed.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.btf.format import BtfError, Kind
from app.btf.reader import POINTER_SIZE, Btf, Member


@dataclass(frozen=True)
class Padding:
    """Unused bits from `start` up to `end`."""

    start: int
    end: int


@dataclass(frozen=True)
class Plan:
    """A struct's members and paddings in order; `alignment` is in bytes."""

    packed: bool
    alignment: int
    items: tuple[Member | Padding, ...]


class _LayoutError(Exception):
    """The rules tried do not place the members where BTF says."""


class Layouts:
    """Plans for the structs and unions of one BTF, each computed once."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._plans: dict[int, Plan] = {}
        self._open: set[int] = set()

    def plan(self, type_id: int) -> Plan:
        """Return how to declare a struct or union; raises BtfError if C cannot express it."""
        if type_id in self._plans:
            return self._plans[type_id]
        if type_id in self._open:
            raise BtfError(f"type {type_id} ({self._btf.name(type_id)!r}) contains itself")
        self._open.add(type_id)
        try:
            plan = self._place(type_id, packed=False)
        except _LayoutError:
            try:
                plan = self._place(type_id, packed=True)
            except _LayoutError as error:
                name = self._btf.name(type_id)
                raise BtfError(f"type {type_id} ({name!r}) has no layout in C: {error}") from None
        finally:
            self._open.discard(type_id)
        self._plans[type_id] = plan
        return plan

    def alignment(self, type_id: int) -> int:
        """Return the alignment in bytes that the compiler gives this type as declared here."""
        type_id = self._btf.resolve(type_id)
        kind = self._btf.kind(type_id)
        if kind == Kind.PTR:
            return POINTER_SIZE
        if kind == Kind.ARRAY:
            return self.alignment(self._btf.target(type_id))
        if kind in (Kind.STRUCT, Kind.UNION):
            return self.plan(type_id).alignment
        return self._btf.size(type_id)  # scalars are aligned to their size on 64-bit machines

    def _place(self, type_id: int, packed: bool) -> Plan:
        """Place the members in sequence as a compiler would; all positions are in bits."""
        union = self._btf.kind(type_id) == Kind.UNION
        items: list[Member | Padding] = []
        alignment, end, at = 1, 0, 0
        for member in self._btf.members(type_id):
            own = 1 if packed else self.alignment(member.type_id)
            width = self._btf.size(member.type_id) * 8
            start = member.bit_offset
            if union and start:
                raise _LayoutError(f"{member.name!r} is not at the union's start")
            if not member.bit_size:
                if start % (own * 8):
                    raise _LayoutError(f"{member.name!r} is not aligned")
                at = _round_up(at, own * 8)
            elif not packed and start // width != (start + member.bit_size - 1) // width:
                raise _LayoutError(f"bit-field {member.name!r} crosses its storage unit")
            if at > start:
                raise _LayoutError(f"{member.name!r} overlaps the member before it")
            if at < start:
                items.append(Padding(end, start))
            items.append(member)
            alignment = max(alignment, own)
            end = max(end, start + (member.bit_size or width))
            at = 0 if union else end
        return Plan(packed, alignment, (*items, *self._tail(type_id, alignment, end, union)))

    def _tail(self, type_id: int, alignment: int, end: int, union: bool) -> tuple[Padding, ...]:
        """Return the padding at the end, unless the compiler adds it anyway."""
        size = self._btf.size(type_id) * 8
        own = _round_up(_round_up(end, 8), alignment * 8)
        if own > size or size % (alignment * 8):
            raise _LayoutError(f"{own // 8} bytes instead of {size // 8}")
        if own == size:
            return ()
        return (Padding(0 if union else end, size),)


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step
