# SPDX-License-Identifier: Apache-2.0
"""How a value becomes a column: its decoder, and what is read for it."""

from __future__ import annotations

from dataclasses import dataclass

from app.btf.format import Kind
from app.btf.type_paths import Number, PathError, Paths, Place
from app.columns.plan import CONTEXT, MAX_TEXT_BYTES, STRING, Read, Text

RECORD_KINDS = (Kind.STRUCT, Kind.UNION, Kind.FWD)


@dataclass(frozen=True)
class Rendering:
    """How a value becomes a column. `type`, `render` and `unit` are the column's."""

    decoder: str
    type: str = "text"
    values: tuple[Read, ...] = ()
    texts: tuple[Text, ...] = ()
    names: tuple[tuple[int, str], ...] = ()
    table: str | None = None  # the name of `names`
    render: str | None = None
    unit: str | None = None


def read(number: Number, place: Place, at: str) -> Read:
    """Return the Read that loads a place's number."""
    base, offset = place.base, number.offset
    if place.in_words:
        base, offset = base + number.offset // 8, 0
    return Read(
        at,
        base,
        place.derefs,
        offset,
        number.size,
        number.left,
        number.right,
        number.signed,
    )


def address_of(place: Place, at: str) -> Read:
    """Return the Read that computes a place's address; raises PathError if it is in registers."""
    if place.in_words:
        raise PathError(f"{place.name or 'the value'} is passed in registers: it has no address")
    if place.bit_size:
        raise PathError(f"{place.name} is a bit-field: it has no address")
    return Read(at, place.base, place.derefs, place.offset, 0)


def is_in_record(place: Place) -> bool:
    """Return whether a place is in a tracepoint's record, whose address is that of a buffer."""
    return place.base == CONTEXT and not (place.derefs or place.in_words)


def number_at(paths: Paths, place: Place, at: str) -> Read:
    """Return the Read of an integer, enum or pointer; raises PathError for other types."""
    return read(paths.number(place), place, at)


def address(place: Place, at: str) -> Rendering:
    """Return a place's address, for what is too large or strange to be shown."""
    return Rendering("hex", "uint64", (address_of(place, at),), render="hex")


def text_at(place: Place, at: str, size: int = 0) -> Rendering:
    """Return the text at a place, of at most `size` bytes; 0 for as many as there can be."""
    limit = min(size or MAX_TEXT_BYTES, MAX_TEXT_BYTES)
    return Rendering("text", texts=(Text(STRING, address_of(place, at), limit),))


def path_of(kind: str, place: Place, at: str) -> Rendering:
    """Return the path of a struct path or dentry."""
    return Rendering("text", texts=(Text(kind, address_of(place, at), MAX_TEXT_BYTES),))
