# SPDX-License-Identifier: Apache-2.0
"""Tests rows as JSON has them (app/web/api/rows.py): prepared once for a filter, cheap for a row.

A row is a mapping from column to value: int, bool, str or None; times are RFC 3339 in UTC with
nine decimals, so that they compare as texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from app.filters.globs import part_matcher
from app.filters.grammar import parse
from app.filters.intervals import Interval
from app.filters.operators import TEXT, TIME, kind_of
from app.filters.terms import Meaning, TextMeaning, by_any_name, meanings
from app.filters.tree import And, Node, Not, Or, Word
from app.filters.value_names import ValueNames
from app.filters.vocabulary import Vocabulary

Row = Mapping[str, Any]
RowFilter = Callable[[Row], bool]
EPOCH = datetime(1970, 1, 1)
NS_PER_S = 1_000_000_000


def row_filter(text: str, names: Vocabulary) -> RowFilter | None:
    """Return the test of rows that a filter is; None if every row passes. Raises FilterFault."""
    tree = parse(text, names)
    return None if tree is None else _test(tree, names)


def _test(node: Node, names: Vocabulary) -> RowFilter:
    if isinstance(node, And):
        return _all([_test(part, names) for part in node.parts])
    if isinstance(node, Or):
        return _any([_test(part, names) for part in node.parts])
    if isinstance(node, Not):
        return _not(_test(node.part, names))
    if isinstance(node, Word):
        return _word(node, names)
    found, is_negated = meanings(node, names)
    test = _any([_column_test(meaning) for meaning in found])
    return _not(test) if is_negated else test


def _all(tests: list[RowFilter]) -> RowFilter:
    return lambda row: all(test(row) for test in tests)


def _any(tests: list[RowFilter]) -> RowFilter:
    if len(tests) == 1:
        return tests[0]
    return lambda row: any(test(row) for test in tests)


def _not(test: RowFilter) -> RowFilter:
    return lambda row: not test(row)


def _word(node: Word, names: Vocabulary) -> RowFilter:
    """Test any text, or an alias of a value's name."""
    matches = part_matcher(node.text)
    kinds: dict[str, set[str]] = {}
    for column in names.columns:
        kinds.setdefault(column.name, set()).add(kind_of(column))
    # Times and names of numbers are texts in JSON, but not columns of texts.
    others = {name for name, found in kinds.items() if TEXT not in found}
    named = {
        column.name: by_any_name(names.names_of(column), matches)
        for column in names.columns
        if column.names is not None
    }

    def test(row: Row) -> bool:
        for name, value in row.items():
            if not isinstance(value, str) or name in others:
                continue
            if named.get(name, matches)(value):
                return True
        return False

    return test


def _column_test(meaning: Meaning) -> RowFilter:
    name = meaning.column.name
    if isinstance(meaning, TextMeaning):
        matches = meaning.matcher()

        def text_test(row: Row) -> bool:
            value = row.get(name)
            return isinstance(value, str) and matches(value)

        return text_test
    if kind_of(meaning.column) == TIME:
        return _any([_time_test(name, interval) for interval in meaning.intervals])
    return _any([_number_test(name, each, meaning.names) for each in meaning.intervals])


def _number_test(name: str, interval: Interval, names: ValueNames | None) -> RowFilter:
    low, high = interval.low, interval.high

    def test(row: Row) -> bool:
        value = row.get(name)
        if isinstance(value, str) and names is not None:
            value = names.number_of(value)
        if not isinstance(value, int):
            return False
        return (low is None or low <= value) and (high is None or value <= high)

    return test


def _time_test(name: str, interval: Interval) -> RowFilter:
    within = interval.within(-(2**63), 2**63 - 1)
    if within is None:
        return lambda _row: False
    low, high = map(_rfc3339, within)

    def test(row: Row) -> bool:
        value = row.get(name)
        return isinstance(value, str) and low <= value <= high

    return test


def _rfc3339(timestamp_ns: int) -> str:
    seconds, nanoseconds = divmod(timestamp_ns, NS_PER_S)
    return f"{(EPOCH + timedelta(seconds=seconds)).isoformat()}.{nanoseconds:09d}Z"
