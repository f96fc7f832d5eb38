# SPDX-License-Identifier: Apache-2.0
"""Names of columns; most are in tests/vectors/filter_cases.json."""

from __future__ import annotations

from app.columns.column import Column
from app.filters import Vocabulary
from app.filters.vocabulary import edit_distance

NAMES = Vocabulary.of(
    [
        Column("wait_ns", "uint64", "Wait", "", unit="ns"),
        Column("wait_bytes", "uint64", "Wait", "", unit="bytes"),
        Column("Count", "uint32", "Number of bytes", ""),
        Column("count", "uint32", "And", ""),
        Column("sk.num", "uint32", "sk.num", ""),
        Column("args.0.x", "uint32", "args.0.x", ""),
    ],
    {},
)


def found(name: str) -> list[str]:
    return [column.name for column in NAMES.find(name)]


def test_a_name_that_could_mean_two_columns_means_none() -> None:
    assert found("wait") == []
    assert found("wait_ns") == ["wait_ns"]
    assert found("wait_bytes") == ["wait_bytes"]


def test_the_spelling_counts_where_several_differ_in_case_only() -> None:
    assert found("Count") == ["Count"]
    assert found("count") == ["count"]
    assert found("COUNT") == ["Count", "count"]


def test_titles_without_spaces_but_no_keywords() -> None:
    assert found("numberofbytes") == ["Count", "count"]
    assert found("and") == []


def test_an_index_may_be_written_as_in_an_expression() -> None:
    assert found("args[0].x") == found("args.0.x") == ["args.0.x"]
    assert found("ARGS[0].X") == ["args.0.x"]
    assert found("args[1].x") == found("args[x].x") == []


def test_near_misses() -> None:
    assert NAMES.nearest("wait_byte") == "wait_bytes"
    assert NAMES.nearest("sk.nun") == "sk.num"
    assert NAMES.nearest("zzz") is None
    assert NAMES.nearest("w" * 65) is None


def test_edit_distance() -> None:
    assert [edit_distance(*pair) for pair in (("", "ab"), ("kitten", "sitting"), ("a", "a"))] == [
        2,
        3,
        0,
    ]
