# SPDX-License-Identifier: Apache-2.0
"""The service's evaluation of tests/vectors/filter_cases.json."""

from __future__ import annotations

from typing import Any

import pytest

from app.columns.column import Column
from app.filters import FilterFault, Vocabulary, row_filter
from tests.support.filter_cases import TABLES, Table


def passing(text: str, table: Table) -> list[int]:
    passes = row_filter(text, table.vocabulary)
    return [i for i, row in enumerate(table.rows) if passes is None or passes(row)]


@pytest.mark.parametrize(
    ("table", "text", "rows"),
    [(name, *case) for name, table in TABLES.items() for case in table.passes],
)
def test_passes(table: str, text: str, rows: list[int]) -> None:
    assert passing(text, TABLES[table]) == rows


@pytest.mark.parametrize(
    ("table", "case"),
    [(name, case) for name, table in TABLES.items() for case in table.faults],
    ids=lambda case: case if isinstance(case, str) else case["filter"],
)
def test_faults(table: str, case: dict[str, Any]) -> None:
    text = case["filter"]
    with pytest.raises(FilterFault) as raised:
        row_filter(text, TABLES[table].vocabulary)
    fault = raised.value
    assert case["message"] in fault.message
    assert text[fault.start : fault.end] == case["part"]
    assert [fix.apply(text) for fix in fault.fixes] == case["fixes"]


def test_a_blank_filter_passes_everything_without_a_test() -> None:
    assert row_filter(" \t", TABLES["typed"].vocabulary) is None


def test_a_name_in_json_is_the_number_it_names() -> None:
    """Rows may show an enum's number by its name."""
    names = Vocabulary.of(
        [Column("state", "int32", "State", "", names="states")], {"states": {1: "RUN", 2: "WAIT"}}
    )
    passes = row_filter("state>1", names)
    assert passes is not None
    rows: list[Any] = ["RUN", "WAIT", 1, 2, 3, None, "OTHER"]
    assert [passes({"state": value}) for value in rows] == [
        False,
        True,
        False,
        True,
        True,
        False,
        False,
    ]
    word = row_filter("wait", names)
    assert word is not None and not word({"state": "WAIT"})


def test_columns_of_the_same_name_and_other_types() -> None:
    """The alternatives that accept the value count, and each row is what it is."""
    names = Vocabulary.of(
        [Column("count", "uint32", "Count", ""), Column("count", "text", "Count", "")], {}
    )
    equal = row_filter("count=5", names)
    greater = row_filter("count>4", names)
    other = row_filter("count!=5", names)
    assert equal and greater and other
    for value, found in ((5, (True, True, False)), ("5", (True, False, False)), (4, (0, 0, 1))):
        row = {"count": value}
        assert (equal(row), greater(row), other(row)) == found
    assert row_filter("count=x", names) is not None


def test_a_pattern_with_many_stars_takes_no_time() -> None:
    names = Vocabulary.of([Column("path", "text", "Path", "")], {})
    passes = row_filter(f"path~{'*a' * 500}b", names)
    assert passes is not None
    assert not passes({"path": "a" * 4095})
    with pytest.raises(FilterFault, match="pattern is longer than 1024"):
        row_filter(f"path~{'a' * 1025}", names)
