# SPDX-License-Identifier: Apache-2.0
"""Numbers as texts, and texts joined, as Python writes each alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tracer import text_columns
from app.tracer.number_texts import (
    Spans,
    by_distinct,
    decimal,
    hex_digits,
    join,
    spans_of,
)
from app.tracer.text_columns import Texts, from_matrix, unique_rows
from tests.unit.tracer.test_text_columns import matrix, strings

WIDTHS = {"i1": 8, "i2": 16, "i4": 32, "i8": 64, "u1": 8, "u2": 16, "u4": 32, "u8": 64}


def shown(spans: Spans) -> list[str]:
    return strings(join(len(spans.sizes), spans))


@pytest.mark.parametrize("kind", WIDTHS)
def test_numbers_at_the_ends_of_every_width(kind: str) -> None:
    bits = WIDTHS[kind]
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind[0] == "i" else (0, 2**bits - 1)
    for numbers in ([low], [high], [0], [low, 0, 7, 10, 99, 100, high], [9, 10], [], [low] * 9):
        assert shown(decimal(np.array(numbers, dtype=kind))) == [str(n) for n in numbers]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.lists(st.integers(0, 2**64 - 1)))
def test_any_numbers(signed: list[int], unsigned: list[int]) -> None:
    assert shown(decimal(np.array(signed, dtype=np.int64))) == list(map(str, signed))
    assert shown(decimal(np.array(unsigned, dtype=np.uint64))) == list(map(str, unsigned))


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=9))
def test_hex_digits(rows: list[bytes]) -> None:
    sizes = [0, *np.cumsum([len(row) for row in rows])]
    raw = Texts(np.array(sizes, dtype=np.int32), np.frombuffer(b"".join(rows), dtype=np.uint8))
    assert strings(hex_digits(raw)) == [row.hex() for row in rows]


def test_joined_pieces_stay_in_their_rows() -> None:
    left = spans_of(from_matrix(*matrix([b"a", b"", "ż".encode()])))
    right = spans_of(from_matrix(*matrix([b"", b"", b"yz"])))
    assert strings(join(3, left, "-", right, ".")) == ["a-.", "-.", "ż-yz."]
    for wanted in itertools.product((False, True), repeat=3):
        texts = join(3, left.only(np.array(wanted)), "|", left)
        shown_left = [text * is_wanted for text, is_wanted in zip("a ż", wanted, strict=True)]
        shown_left[1] = ""
        assert strings(texts) == [
            f"{a}|{b}" for a, b in zip(shown_left, ("a", "", "ż"), strict=True)
        ]
    assert strings(join(2, "[", "]")) == ["[]", "[]"]
    assert strings(join(0, "[", decimal(np.zeros(0, dtype=np.uint64)), "]")) == []


def check_distinct(rows: list[tuple[int, ...]]) -> None:
    columns = [np.array(column, dtype=np.uint64) for column in zip(*rows, strict=True)]
    first, codes = unique_rows(columns)
    assert len(first) == len(set(rows))
    assert [rows[first[code]] for code in codes] == rows


some_rows = st.lists(st.tuples(*[st.sampled_from((0, 1, 2**63, 2**64 - 1))] * 3), min_size=1)


@given(some_rows)
def test_distinct_rows(rows: list[tuple[int, ...]]) -> None:
    check_distinct(rows)


def test_rows_of_one_hash_are_still_distinct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_columns, "_MULTIPLIERS", np.zeros(17, dtype=np.uint64))
    check_distinct([(1, 2, 3), (4, 5, 6), (1, 2, 3), (0, 0, 0)])


def test_a_text_is_made_once_for_each_distinct_row() -> None:
    calls = []

    def text(left: int, right: int) -> str:
        calls.append((left, right))
        return f"{left}/{right}"

    left, right = np.array([1, 2, 1, 1] * 50), np.array([5, 5, 5, 6] * 50)
    texts = by_distinct((left.astype(np.uint64), right.astype(np.uint64)), text)
    assert shown(texts) == ["1/5", "2/5", "1/5", "1/6"] * 50
    assert sorted(calls) == [(1, 5), (1, 6), (2, 5)]
