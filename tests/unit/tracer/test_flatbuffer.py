# SPDX-License-Identifier: Apache-2.0
"""Bytes of buffers, by the rules of https://flatbuffers.dev/internals/."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from app.tracer.flatbuffer import Pairs, Table, Text, Vector, encode


def follow(data: bytes, at: int) -> int:
    return at + struct.unpack_from("<I", data, at)[0]


def member(data: bytes, table: int, number: int) -> int | None:
    """Return where a table's field is."""
    offsets = table - struct.unpack_from("<i", data, table)[0]
    (size,) = struct.unpack_from("<H", data, offsets)
    if 4 + 2 * number >= size:
        return None
    (offset,) = struct.unpack_from("<H", data, offsets + 4 + 2 * number)
    return table + offset if offset else None


def text(data: bytes, at: int) -> str:
    (size,) = struct.unpack_from("<I", data, at)
    assert data[at + 4 + size] == 0
    return data[at + 4 : at + 4 + size].decode()


def test_a_small_buffer_byte_by_byte() -> None:
    assert encode(Table([(0, ("h", 7))])).hex(" ", 2) == " ".join(
        (
            "1000 0000",  # the root is at byte 16
            "0000 0000 0000",  # so that it is aligned
            "0600 0600 0400",  # offsets: 6 bytes of them, 6 of the table, field 0 is at 4
            "0600 0000 0700",  # the offsets are 6 bytes before; 7
            "0000",  # up to a multiple of 8
        )
    )


NUMBERS = st.sampled_from("BhiIqQ").flatmap(
    lambda form: st.tuples(st.just(form), st.integers(0, 127))
)


@given(st.dictionaries(st.integers(0, 9), NUMBERS), st.lists(st.text()), st.lists(st.integers()))
def test_what_is_written_is_found_and_aligned(
    numbers: dict[int, tuple[str, int]], texts: list[str], wide: list[int]
) -> None:
    texts = [each.encode("utf-8", "replace").decode() for each in texts]
    pairs = [(number % 2**40, -1) for number in wide]
    data = encode(
        Table([*numbers.items(), (10, Vector([Text(each) for each in texts])), (12, Pairs(pairs))])
    )
    root = follow(data, 0)
    for number in range(10):
        at = member(data, root, number)
        assert (at is None) == (number not in numbers)
        if at is not None:
            form, value = numbers[number]
            assert at % struct.calcsize(f"<{form}") == 0
            assert struct.unpack_from(f"<{form}", data, at) == (value,)
    assert member(data, root, 11) is None and member(data, root, 13) is None
    vector = follow(data, member(data, root, 10) or 0)
    assert struct.unpack_from("<I", data, vector) == (len(texts),)
    places = [vector + 4 + 4 * i for i in range(len(texts))]
    assert [text(data, follow(data, at)) for at in places] == texts
    structs = follow(data, member(data, root, 12) or 0)
    assert (structs + 4) % 8 == 0
    found = struct.unpack_from(f"<I{2 * len(pairs)}q", data, structs)
    assert found == (len(pairs), *[number for pair in pairs for number in pair])
