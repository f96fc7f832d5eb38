# SPDX-License-Identifier: Apache-2.0
"""Bounds of a filter, and how an error is reported; what a text means is in filter_cases.json."""

from __future__ import annotations

import random

import pytest

from app.columns.column import Column
from app.filters import MAX_CHARACTERS, FilterFault, Vocabulary, parse
from app.filters.grammar import MAX_DEPTH, MAX_TESTS

NAMES = Vocabulary.of(
    [Column("pid", "uint32", "PID", ""), Column("filename", "text", "File", "")], {}
)


def fault_of(text: str) -> FilterFault:
    with pytest.raises(FilterFault) as raised:
        parse(text, NAMES)
    return raised.value


def test_the_longest() -> None:
    assert parse("x" * MAX_CHARACTERS, NAMES)
    assert "longer than 8192 characters" in fault_of("x" * (MAX_CHARACTERS + 1)).message


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("not ", ""), ("!(", ")")])
def test_the_deepest(opening: str, closing: str) -> None:
    levels = MAX_DEPTH // (2 if opening == "!(" else 1)
    assert parse(f"{opening * levels}x{closing * levels}", NAMES)
    assert "too deeply" in fault_of(f"{opening * (levels + 1)}x{closing * (levels + 1)}").message
    assert "too deeply" in fault_of(opening * (MAX_CHARACTERS // len(opening))).message


def test_the_most_tests() -> None:
    assert parse("x " * MAX_TESTS, NAMES)
    assert "more than 256 tests" in fault_of("x " * (MAX_TESTS + 1)).message
    assert "more than 256 tests" in fault_of(f"pid in ({'1,' * MAX_TESTS}1)").message


def test_an_error_of_a_request() -> None:
    text = "pid=1 filenam=x"
    names = Vocabulary.of([Column("filename", "text", "File", "")], {})
    error = FilterFault("no column", 6, 13).error("where", text)
    assert (error.status, error.code) == (422, "invalid")
    assert error.extra == {
        "errors": [{"field": "where", "message": "no column", "start": 6, "end": 13, "fixes": []}]
    }
    with pytest.raises(FilterFault) as raised:
        parse("filename=(a or b)", names)
    error = raised.value.error("where", "filename=(a or b)")
    assert error.extra["errors"][0]["fixes"] == ["filename in (a, b)"]
    assert error.detail == (
        "where: missing value after =; quote a text that contains parentheses. "
        "Did you mean filename in (a, b)?"
    )


def test_any_text_is_a_filter_or_a_fault() -> None:
    """Random pieces of the language, also cut through: nothing else is ever raised."""
    draw = random.Random(11)
    pieces = [
        *(
            "pid",
            "filename",
            "=",
            "!=",
            "~",
            "<",
            ">=",
            ":",
            " ",
            " ",
            "..",
            "(",
            ")",
            "not",
            "and",
        ),
        *("or", "in", "1", "5ms", '"', "'", "“", "”", "\\", "\\n", "*", "?", ",", "&&", "||", "!"),
        *("x", "é", "\u2028", "\x00", "\ud800", "like", "between", "0x1f", "-", "[0]", ".a"),
    ]
    outcomes = set()
    for _ in range(20_000):
        text = "".join(draw.choices(pieces, k=draw.randrange(1, 14)))
        try:
            outcomes.add(parse(text, NAMES) is None)
        except FilterFault as fault:
            assert 0 <= fault.start <= fault.end <= len(text), text
            outcomes.add(fault.message)
    assert len(outcomes) > 40
