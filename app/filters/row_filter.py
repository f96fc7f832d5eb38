# SPDX-License-Identifier: Apache-2.0
"""Tests rows as JSON has them (app/web/api/rows.py): prepared once for a filter, cheap for a row.

A row is a mapping from column to value: int, bool, str or None. Times are RFC 3339 in UTC with
nine decimals, so that they compare as texts; a number may be its name, or in hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from app.columns.column import Column
from app.filters.fault import with_good_fixes
from app.filters.globs import part_matcher
from app.filters.grammar import parse
from app.filters.intervals import Interval
from app.filters.literals import SIGNED_BITS
from app.filters.operators import TEXT, TIME, kind_of
from app.filters.terms import Meaning, TextMeaning, by_any_name, meanings
from app.filters.tree import And, Node, Not, Or, Word
from app.filters.value_names import ValueNames
from app.filters.vocabulary import Vocabulary

Row = Mapping[str, Any]
RowFilter = Callable[[Row], bool]
HEXADECIMAL = re.compile(r"0x[0-9a-f]{1,16}\Z")
EPOCH = datetime(1970, 1, 1)
NS_PER_S = 1_000_000_000


def row_filter(text: str, names: Vocabulary) -> RowFilter | None:
    """Return the test of rows that a filter is; None if every row passes. Raises FilterFault."""

    def made(text: str) -> RowFilter | None:
        tree = parse(text, names)
        return None if tree is None else _test(tree, names)

    return with_good_fixes(text, made)


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
    """Test any text, an alias of a value's name, or the name of a number."""
    matches = part_matcher(node.text)
    kinds: dict[str, set[str]] = {}
    for column in names.columns:
        kinds.setdefault(column.name, set()).add(kind_of(column))
    # Times and numbers in hexadecimal are texts in JSON, but not columns of texts.
    others = {name for name, found in kinds.items() if TEXT not in found}
    named: dict[str, Callable[[str], bool]] = {}
    for column in names.columns:
        table = names.names_of(column)
        if table is not None and kind_of(column) == TEXT:
            named[column.name] = by_any_name(table, matches)
        elif table is not None and column.render == "name" and column.name in others:
            named[column.name] = _names_test(table, matches)
    others -= named.keys()

    def test(row: Row) -> bool:
        for name, value in row.items():
            if not isinstance(value, str) or name in others:
                continue
            if named.get(name, matches)(value):
                return True
        return False

    return test


def _names_test(table: ValueNames, matches: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return the test of a text that may be a number's name, or a number in hexadecimal."""
    return lambda text: table.number_shown(text) is not None and matches(text)


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
    number_of = _number_reader(meaning.column, meaning.names)
    return _any([_number_test(name, each, number_of) for each in meaning.intervals])


def _number_reader(column: Column, names: ValueNames | None) -> Callable[[str], int | None]:
    """Return what reads a number that JSON has as a text: a name, or in hexadecimal."""
    bits = SIGNED_BITS.get(column.type)

    def number_of(text: str) -> int | None:
        named = names.number_shown(text) if names else None
        if named is not None or not HEXADECIMAL.match(text):
            return named
        value = int(text, 16)  # in two's complement
        return value - (1 << bits) if bits and value >> (bits - 1) else value

    return number_of


def _number_test(
    name: str, interval: Interval, number_of: Callable[[str], int | None]
) -> RowFilter:
    low, high = interval.low, interval.high

    def test(row: Row) -> bool:
        value = row.get(name)
        if isinstance(value, str):
            value = number_of(value)
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
