# SPDX-License-Identifier: Apache-2.0
"""Many texts at once must read as each text alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tracer import text_columns
from app.tracer.text_columns import Coded, Texts

ODD = [
    b"plain",
    b"",
    "żółć".encode(),
    b"\xff\xfe",
    b"half \xc3",
    b"\xa9 other half",
    b"\xf0\x9f\x98",
    b"\x80",
    b"back\\slash",
    "\u202e\U0001f600".encode(),
    b"\xed\xa0\x80",  # a surrogate: not UTF-8
]


def matrix(rows: list[bytes], width: int = 64) -> tuple[text_columns.Bytes, text_columns.Sizes]:
    out = np.full((len(rows), width), ord("#"), dtype=np.uint8)  # the rest must not show
    for i, row in enumerate(rows):
        out[i, : len(row)] = np.frombuffer(row, dtype=np.uint8)
    return out, np.array([len(row) for row in rows], dtype=np.int32)


def strings(texts: Texts | Coded) -> list[str]:
    if isinstance(texts, Coded):
        texts = texts.expanded()
    raw = texts.data.tobytes()
    return [raw[a:b].decode() for a, b in zip(texts.offsets[:-1], texts.offsets[1:], strict=True)]


def expected(rows: list[bytes]) -> list[str]:
    return [row.decode("utf-8", "backslashreplace") for row in rows]


@pytest.mark.parametrize("rows", [ODD, ODD[:3], [b"\xc3", b"\xa9"], [b"\xc3", b"", b"\xa9"], [b""]])
def test_bytes_that_are_not_utf8_are_written_as_hex(rows: list[bytes]) -> None:
    assert strings(text_columns.from_matrix(*matrix(rows))) == expected(rows)


@given(st.lists(st.binary(max_size=40).filter(lambda b: b"\0" not in b), min_size=1, max_size=30))
def test_any_bytes(rows: list[bytes]) -> None:
    assert strings(text_columns.from_matrix(*matrix(rows))) == expected(rows)


@given(
    st.lists(st.binary(max_size=8), min_size=1, max_size=9),
    st.lists(st.binary(max_size=32), min_size=1, max_size=9),
    st.randoms(use_true_random=False),
)
def test_parts_of_several_widths_in_any_order(narrow: list[bytes], wide: list[bytes], rng) -> None:  # type: ignore[no-untyped-def]
    rows = narrow + wide
    order = list(range(len(rows)))
    rng.shuffle(order)
    texts = text_columns.from_parts([matrix(narrow, 8), matrix(wide, 32)], np.array(order))
    assert strings(texts) == expected([rows[i] for i in order])


def test_table() -> None:
    assert strings(text_columns.Table(("", "ENOENT", "EIO")).coded(np.array([1, 0, 2, 1]))) == [
        "ENOENT",
        "",
        "EIO",
        "ENOENT",
    ]


@pytest.mark.parametrize("rows", [[b"a", b"", b"\xff", b"d"], [b""] * 4, [b"a" * 64] * 4])
def test_missing_ends_are_marked(rows: list[bytes]) -> None:
    texts = text_columns.from_matrix(*matrix(rows))
    for before, after in itertools.product(itertools.product((False, True), repeat=4), repeat=2):
        marked = text_columns.mark_missing(texts, before=np.array(before), after=np.array(after))
        assert strings(marked) == [
            "…" * first + text + "…" * last
            for first, text, last in zip(before, expected(rows), after, strict=True)
        ]


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_spans_in_any_order(rows: list[bytes], rng) -> None:  # type: ignore[no-untyped-def]
    data = np.frombuffer(b"#".join(rows) + b"#", dtype=np.uint8)
    sizes = np.array([len(row) for row in rows], dtype=np.int32)
    starts = np.cumsum(sizes + 1) - sizes - 1
    order = list(range(len(rows)))
    rng.shuffle(order)
    found = text_columns.from_spans(data, starts[order], sizes[order])
    assert found.data.tobytes() == b"".join(rows[i] for i in order)
    assert found.sizes.tolist() == [len(rows[i]) for i in order]


@pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 9, 30, 100])
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_spans_are_gathered_chunk_by_chunk(
    size: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_columns, "CHUNK_BYTES", 8)
    data = np.arange(200, dtype=np.uint8)
    for sizes in ([size] * rows, [size, *[0] * rows], [*[0] * rows, size], [1, size] * rows):
        starts = np.arange(len(sizes), dtype=np.int64)
        found = text_columns.from_spans(data, starts, np.array(sizes, dtype=np.int32))
        raw = data.tobytes()
        wanted = [raw[start : start + each] for start, each in enumerate(sizes)]
        assert found.data.tobytes() == b"".join(wanted)


@pytest.mark.parametrize(
    "rows", [[b"abc", b"xyz", b"123"], [b"", b""], [b"abc"], [b"", b"abc"], [b"x" * 64] * 2]
)
def test_lengths_that_are_equal_and_that_are_not(rows: list[bytes]) -> None:
    assert strings(text_columns.from_matrix(*matrix(rows))) == expected(rows)


def test_parts_as_they_are() -> None:
    narrow, wide = [b"a", b"bc"], [b"a longer one", b""]
    parts = [matrix(narrow, 8), matrix(wide, 32)]
    assert strings(text_columns.from_parts(parts, None)) == expected(narrow + wide)


def test_a_table_by_codes() -> None:
    table = text_columns.Table(("", "one", "three"))
    for codes in ([0, 0], [1, 1], [2, 0, 1], []):
        shown = strings(table.coded(np.array(codes, dtype=np.int64)))
        assert shown == [("", "one", "three")[code] for code in codes]
