# SPDX-License-Identifier: Apache-2.0
"""From an object to its fields, by BTF: where a program finds them, in pointers and offsets.

A `Place` is an object of a type: in memory, at an offset from a number that pointers lead to, or
in the words of an argument. Each step returns another place; nothing is read.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from app.btf import c_text
from app.btf.format import BtfError, Kind
from app.btf.per_cpu import is_per_cpu
from app.btf.reader import POINTER_SIZE, VOID, Btf, Member

WORD_BITS = 64
_RECORDS = (Kind.STRUCT, Kind.UNION)
BOOLS = ("_Bool", "bool")  # names of integers
_KEYWORDS = {"struct": Kind.STRUCT, "union": Kind.UNION, "enum": Kind.ENUM}
_MAX_NAMES = 4096  # of types that are remembered, and structs whose members are
_MAX_STRUCTS = 64
_MAX_ANONYMOUS = 64  # structs in each other
_LOADED = (8, 16, 32, 64)  # bits


class PathError(ValueError):
    """A step that is not possible: a sentence, and names that are near the one asked for."""

    def __init__(self, message: str, near: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.near = near


@dataclass(frozen=True)
class Integer:
    """An integer that has no type in BTF."""

    size_bytes: int
    signed: bool
    name: str


@dataclass(frozen=True)
class Type:
    """A type of BTF, or an integer, with pointers to it: `pointers` 1 is `type *`.

    With `count` it is an array of so many of them.
    """

    type_id: int = VOID
    pointers: int = 0
    integer: Integer | None = None
    count: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether the type is just the one of BTF."""
        return not (self.pointers or self.integer or self.count)


@dataclass(frozen=True)
class Number:
    """How to load an integer: offset and size in bytes (size 0: it is in the word), and the shifts
    in bits, first left and then right, that narrow it."""

    offset: int
    size: int
    left: int
    right: int
    signed: bool


@dataclass(frozen=True)
class Place:
    """An object. `base` says where the program begins, and pointers are loaded at `derefs`.

    In memory the object is `offset` bytes from the number so obtained. With `in_words` the base's
    words themselves hold it, 8 bytes each, and `offset` counts from the first of them.
    `bit_offset` and `bit_size` are a bit-field's, in bits from `offset`. `per_cpu` says that it
    is a per-CPU pointer, or an array of these.
    """

    type: Type
    base: int
    derefs: tuple[int, ...] = ()
    offset: int = 0
    in_words: bool = False
    bit_offset: int = 0
    bit_size: int = 0
    name: str = ""
    per_cpu: bool = False


@dataclass(frozen=True)
class Field:
    """A field one level below an object."""

    name: str
    place: Place


class Paths:
    """The steps from places to others, by one kernel's BTF."""

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self._found: dict[tuple[Kind, str], int | None] = {}
        self._offsets: dict[tuple[str, str], int] = {}
        self._members: dict[int, dict[str, Member]] = {}  # by struct: those of the latest ones

    # Types

    def find(self, kind: Kind, name: str) -> int | None:
        """Return the first type of this kind and name, searched for once."""
        key = (kind, name)
        if key not in self._found:
            if len(self._found) > _MAX_NAMES:
                self._found.clear()
            self._found[key] = self.btf.find(kind, name)
        return self._found[key]

    def kind(self, type_: Type) -> Kind | None:
        """Return the kind without modifiers and typedefs; None for void."""
        if type_.count:
            return Kind.ARRAY
        if type_.pointers:
            return Kind.PTR
        if type_.integer:
            return Kind.INT
        return self.btf.kind(self.btf.resolve(type_.type_id))

    def resolved(self, type_: Type) -> int:
        """Return the id of a type without modifiers and typedefs; VOID where it has no id."""
        return self.btf.resolve(type_.type_id) if type_.is_plain else VOID

    def record_id(self, type_: Type) -> int:
        """Return the id of a struct or union, of its definition if only declared; else VOID."""
        type_id = self.resolved(type_)
        kind = self.btf.kind(type_id)
        if kind == Kind.FWD:
            keyword = Kind.UNION if self.btf.forward_is_union(type_id) else Kind.STRUCT
            return self.find(keyword, self.btf.name(type_id)) or VOID
        return type_id if kind in _RECORDS else VOID

    def integer_name(self, type_: Type) -> str:
        """Return an integer's name, without typedefs: `char`, `_Bool`; empty for other types."""
        if self.kind(type_) != Kind.INT:
            return ""
        return type_.integer.name if type_.integer else self.btf.name(self.resolved(type_))

    def is_typedef(self, type_: Type, name: str) -> bool:
        """Return whether a type is a typedef of this name, or one of one."""
        type_id = type_.type_id if type_.is_plain else VOID
        for _ in range(WORD_BITS):
            type_id = self.btf.strip(type_id)
            if self.btf.kind(type_id) != Kind.TYPEDEF:
                return False
            if self.btf.name(type_id) == name:
                return True
            type_id = self.btf.target(type_id)
        return False

    def count(self, type_: Type) -> int:
        """Return an array's number of elements; 0 for a flexible one."""
        return type_.count or self.btf.element_count(self.resolved(type_))

    def record_name(self, type_: Type) -> str:
        """Return the tag of a struct or union, also one only declared; empty for others."""
        type_id = self.resolved(type_)
        if self.btf.kind(type_id) in (*_RECORDS, Kind.FWD):
            return self.btf.name(type_id)
        return ""

    def target(self, type_: Type) -> Type:
        """Return what a pointer points to, or an array's elements."""
        if type_.count:
            return replace(type_, count=0)
        if type_.pointers:
            return replace(type_, pointers=type_.pointers - 1)
        return Type(self.btf.target(self.btf.resolve(type_.type_id)))

    def size(self, type_: Type) -> int:
        """Return the size in bytes; raises PathError for a type without one."""
        if type_.count:
            return type_.count * self.size(replace(type_, count=0))
        if type_.pointers:
            return POINTER_SIZE
        if type_.integer:
            return type_.integer.size_bytes
        try:
            return self.btf.size(type_.type_id)
        except BtfError:
            raise PathError(f"`{self.text(type_)}` has no size") from None

    def is_signed(self, type_: Type) -> bool:
        """Return whether an integer or enum is signed."""
        type_id, kind = self.resolved(type_), self.kind(type_)
        if kind == Kind.INT:
            return type_.integer.signed if type_.integer else self.btf.int_is_signed(type_id)
        if kind in (Kind.ENUM, Kind.ENUM64):
            return self.enum_is_signed(type_id)
        return False

    def enum_is_signed(self, type_id: int) -> bool:
        """Return whether an enum has negative constants.

        Before Linux kernel commit 6089fb325cf7 ("bpf: Add btf enum64 support", v6.0) every enum
        reads as unsigned; then constants close to 2^32 are the negative ones.
        """
        if self.btf.enum_is_signed(type_id):
            return True
        if self.btf.kind(type_id) == Kind.ENUM64:
            return False
        return any(each.value >= 0xFFFFF000 for each in self.btf.enumerators(type_id))

    def text(self, type_: Type, declared: str = "") -> str:
        """Return a declaration in C: `struct file *file`."""
        declared = "*" * type_.pointers + declared + (f"[{type_.count}]" if type_.count else "")
        if type_.integer:
            return f"{type_.integer.name} {declared}".rstrip()
        return c_text.declare(self.btf, type_.type_id, declared)

    def named(self, keyword: str, name: str, pointers: int = 0) -> Type:
        """Return the type of this name; `keyword` is struct, union, enum or empty.

        Raises PathError if the kernel has no such type.
        """
        if keyword:
            type_id = self.find(_KEYWORDS[keyword], name)
            if type_id is None and keyword == "enum":
                type_id = self.find(Kind.ENUM64, name)
            if type_id is None:
                raise PathError(f"the kernel's BTF has no {keyword} {name}")
            return Type(type_id, pointers)
        integer = c_integer(name)
        if integer is not None:
            return Type(VOID, pointers, integer)
        if name == "void" and pointers:
            return Type(VOID, pointers)
        for kind in (Kind.TYPEDEF, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.INT):
            type_id = self.find(kind, name)
            if type_id is not None:
                return Type(type_id, pointers)
        raise PathError(f"the kernel's BTF has no type {name}")

    # Steps

    def pointee(self, place: Place) -> Place:
        """Return the object that a pointer points to; raises PathError if it is not a pointer."""
        if self.kind(place.type) != Kind.PTR:
            raise PathError(f"{_called(place)} is not a pointer but `{self.text(place.type)}`")
        if self.is_per_cpu(place):
            raise PathError(f"{_called(place)} is a per-CPU pointer: it has no one address")
        target = self.target(place.type)
        if not place.in_words:
            return Place(target, place.base, (*place.derefs, place.offset), name=place.name)
        if place.offset % POINTER_SIZE:
            raise PathError(f"{_called(place)} is not aligned in its word")
        return Place(target, place.base + place.offset // POINTER_SIZE, name=place.name)

    def member(self, place: Place, name: str) -> Place:
        """Return a field of a struct or union, or of the one pointed to; raises PathError."""
        outer = self.pointee(place) if self.kind(place.type) == Kind.PTR else place
        record = self._record(outer)
        members = self._members_of(record)
        found = members.get(name)
        if found is None:
            near = difflib.get_close_matches(name, members, n=3, cutoff=0.5)
            guess = f"; did you mean {' or '.join(near)}?" if near else ""
            raise PathError(
                f"`{c_text.base_name(self.btf, record)}` has no field {name}{guess}", tuple(near)
            )
        type_ = Type(found.type_id)
        return replace(
            outer,
            type=type_,
            offset=outer.offset + found.bit_offset // 8,
            bit_offset=found.bit_offset % 8,
            bit_size=found.bit_size,
            name=name,
            per_cpu=self._member_is_per_cpu(record, name, type_),
        )

    def element(self, place: Place, number: int) -> Place:
        """Return an element of an array, or of the objects pointed to; raises PathError."""
        kind = self.kind(place.type)
        if kind == Kind.PTR:
            first = self.pointee(place)
            return replace(first, offset=first.offset + number * self.size(first.type))
        if kind != Kind.ARRAY:
            raise PathError(f"{_called(place)} is not an array but `{self.text(place.type)}`")
        count = self.count(place.type)
        if count and number >= count:
            raise PathError(f"{_called(place)} has the elements 0 to {count - 1} only")
        element = self.target(place.type)
        return replace(place, type=element, offset=place.offset + number * self.size(element))

    def cast(self, place: Place, type_: Type) -> Place:
        """Return the same bits as an object of another type: of a pointer, a number or struct.

        A struct or union itself means a pointer to it, as in `cast(struct tcp_sock, sk)`.
        """
        if self.kind(type_) in _RECORDS:
            type_ = replace(type_, pointers=type_.pointers + 1)
        if place.bit_size:
            raise PathError(f"{_called(place)} is a bit-field and cannot be cast")
        if self.kind(place.type) in (*_RECORDS, Kind.ARRAY):
            raise PathError(f"{_called(place)} is not a number or pointer and cannot be cast")
        if self.size(type_) > self.size(place.type):
            raise PathError(f"{_called(place)} has fewer bytes than `{self.text(type_)}`")
        if self.size(type_) < self.size(place.type) and self.integer_name(type_) in BOOLS:
            raise PathError(
                f"{_called(place)} has more bytes than `{self.text(type_)}`, which would be true "
                "for its lowest byte only; show the number"
            )
        return replace(place, type=type_, per_cpu=self.is_per_cpu(place))

    def is_per_cpu(self, place: Place) -> bool:
        """Return whether a pointer has no one address: by its type tag, name or struct."""
        if place.per_cpu or self.kind(place.type) != Kind.PTR or not place.type.is_plain:
            return place.per_cpu
        inner = self.btf.target(self.btf.resolve(place.type.type_id))
        while inner and self.btf.kind(inner) == Kind.TYPE_TAG:
            if self.btf.name(inner) == "percpu":
                return True
            inner = self.btf.target(inner)
        return False

    def fields(self, place: Place) -> list[Field]:
        """Return the fields of a struct or union, or of the one pointed to; raises PathError.

        Those of anonymous members are among them.
        """
        outer = self.pointee(place) if self.kind(place.type) == Kind.PTR else place
        names = self._members_of(self._record(outer))
        return [Field(name, self.member(outer, name)) for name in names]

    def number(self, place: Place) -> Number:
        """Return how to load an integer, enum or pointer; raises PathError for other types."""
        kind = self.kind(place.type)
        if kind not in (Kind.INT, Kind.ENUM, Kind.ENUM64, Kind.PTR):
            raise PathError(
                f"{_called(place)} is not a number or pointer but `{self.text(place.type)}`"
            )
        signed = self.is_signed(place.type)
        bits = place.bit_size or self.size(place.type) * 8
        if bits > WORD_BITS:
            raise PathError(f"{_called(place)} has {bits} bits; at most {WORD_BITS} can be read")
        if place.in_words:
            start = place.offset % POINTER_SIZE * 8 + place.bit_offset
            if start + bits > WORD_BITS:
                raise PathError(f"{_called(place)} crosses from one word to the next")
            return Number(place.offset, 0, *_shifts(start, bits), signed)
        if not place.bit_size:
            if bits not in _LOADED:
                raise PathError(f"{_called(place)} has {bits} bits: no load has this size")
            unused = WORD_BITS - bits if signed else 0
            return Number(place.offset, bits // 8, unused, unused, signed)
        start = place.offset * 8 + place.bit_offset
        for size in _LOADED:  # aligned, so that the load stays in the object's storage unit
            first = start // size * size
            if start + bits <= first + size:
                return Number(first // 8, size // 8, *_shifts(start - first, bits), signed)
        if place.bit_offset + bits <= WORD_BITS:  # packed: across two storage units
            return Number(place.offset, 8, *_shifts(place.bit_offset, bits), signed)
        raise PathError(f"{_called(place)} crosses from one word to the next")

    def offset(self, record: str, path: str) -> int:
        """Return the offset in bytes of `d_name.name` in a struct; raises PathError."""
        key = (record, path)
        if key not in self._offsets:
            place = Place(self.named("struct", record), 0)
            for name in path.split("."):
                place = self.member(place, name)
            self._offsets[key] = place.offset
        return self._offsets[key]

    def _record(self, place: Place) -> int:
        record = self.record_id(place.type)
        if record != VOID:
            return record
        text = self.text(place.type)
        if self.kind(place.type) == Kind.FWD:
            raise PathError(f"`{text}` has no fields in this BTF: it is only declared")
        raise PathError(f"{_called(place)} has no fields: it is `{text}`")

    def _members_of(self, record: int) -> dict[str, Member]:
        """Return all members by name, in order; those of anonymous ones are among them."""
        found = self._members.get(record)
        if found is None:
            if len(self._members) >= _MAX_STRUCTS:
                self._members.clear()
            found = {}
            self._collect(record, 0, found, 0)
            self._members[record] = found  # whole: other threads may read it
        return found

    def _collect(self, record: int, start: int, found: dict[str, Member], depth: int) -> None:
        if depth > _MAX_ANONYMOUS:
            raise BtfError(f"type {record}: anonymous members that contain themselves")
        for member in self.btf.members(record):
            at = start + member.bit_offset
            if member.name:
                found.setdefault(member.name, replace(member, bit_offset=at))
                continue
            inner = self.btf.resolve(member.type_id)
            if self.btf.kind(inner) in _RECORDS:
                self._collect(inner, at, found, depth + 1)

    def _member_is_per_cpu(self, record: int, name: str, type_: Type) -> bool:
        while self.kind(type_) == Kind.ARRAY:
            type_ = self.target(type_)
        if self.kind(type_) != Kind.PTR:
            return False
        return is_per_cpu(self.btf.name(record), name, self.record_name(self.target(type_)))


_C_WORDS = {"signed", "unsigned", "short", "int", "long", "char", "_Bool"}


def c_integer(text: str) -> Integer | None:
    """Return C's integer of this name, words in any order; None for others. x86-64's sizes."""
    words = text.split()
    if not words or not set(words) <= _C_WORDS:
        return None
    signed = "unsigned" not in words and "_Bool" not in words
    size = {0: 4, 1: 8, 2: 8}.get(words.count("long"), 8)
    if "char" in words or "_Bool" in words:
        size = 1
    elif "short" in words:
        size = 2
    return Integer(size, signed, text)


def _shifts(start: int, bits: int) -> tuple[int, int]:
    """Return the shifts that cut `bits` bits from bit `start` on out of a word."""
    return WORD_BITS - start - bits, WORD_BITS - bits


def _called(place: Place) -> str:
    return place.name or "the value"
