# SPDX-License-Identifier: Apache-2.0
"""What a test of a column means: for numbers and times, intervals; for texts, a matcher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.columns.column import Column
from app.filters.fault import FilterFault, Fix, ValueFault, quoted
from app.filters.globs import Matcher, glob_matcher
from app.filters.intervals import Interval, intervals_of
from app.filters.literals import Read, bool_literal, number_literal, time_literal
from app.filters.operators import BOOL, KINDS, NEGATES, TEXT, TIME, kind_of
from app.filters.tree import Term
from app.filters.value_names import ValueNames
from app.filters.vocabulary import Vocabulary

MAX_PATTERN = 1_024  # characters; matching takes time by its length times that of the text


@dataclass(frozen=True)
class NumberMeaning:
    """A number or time of the column within one of the intervals."""

    column: Column
    intervals: tuple[Interval, ...]
    names: ValueNames | None


@dataclass(frozen=True)
class TextMeaning:
    """A text of the column that passes.

    It equals `value`, or matches the pattern `value` if `is_pattern`.
    """

    column: Column
    value: str
    is_pattern: bool
    ignores_case: bool
    names: ValueNames | None

    def matcher(self) -> Matcher:
        """Return the test of a text."""
        if not self.is_pattern:
            return self.value.__eq__
        matches = glob_matcher(self.value, ignores_case=self.ignores_case)
        return by_any_name(self.names, matches)


Meaning = NumberMeaning | TextMeaning


def by_any_name(names: ValueNames | None, matches: Matcher) -> Matcher:
    """Return a test of whether any name of the value that a name denotes passes."""
    if names is None:
        return matches
    synonyms: Callable[[str], tuple[str, ...]] = names.synonyms
    return lambda text: any(map(matches, synonyms(text)))


def meanings(term: Term, names: Vocabulary) -> tuple[list[Meaning], bool]:
    """Return the alternatives of a term, and whether they are negated: none of them may pass.

    A name can refer to columns of several types: those that accept the value count.
    Raises FilterFault if there is none.
    """
    columns = names.find(term.name)
    if not columns:
        raise _unknown_column(term, names)
    found: list[Meaning] = []
    faults: list[FilterFault] = []
    for column in columns:
        try:
            found.append(_meaning(column, term, names))
        except FilterFault as fault:
            faults.append(fault)
        except ValueFault as fault:
            # A list is of values that equal: after > it would mean something else.
            forms = [form for form in fault.forms if term.operator == "=" or not form.is_list]
            fixes = [Fix(term.name_end, term.end, form.text) for form in forms]
            faults.append(FilterFault(fault.message, term.value_start, term.end, fixes))
    if not found:
        raise faults[0]
    return found, term.operator in NEGATES


def _meaning(column: Column, term: Term, names: Vocabulary) -> Meaning:
    operator = NEGATES.get(term.operator, term.operator)
    kind = kind_of(column)
    if kind not in KINDS[term.operator]:
        raise _wrong_operator(column, kind, term)
    value_names = names.names_of(column)
    if kind != TEXT:
        intervals = intervals_of(operator, term.value, _reader(column, names))
        return NumberMeaning(column, tuple(intervals), value_names)
    is_pattern = operator == "~" or term.is_glob
    if is_pattern:
        if len(term.value) > MAX_PATTERN:
            raise ValueFault(f"the pattern is longer than {MAX_PATTERN} characters")
        # A name is a name in any case, with = too.
        ignores_case = operator == "~" or value_names is not None
        return TextMeaning(column, term.value, True, ignores_case, value_names)
    value = value_names.shown(term.value) if value_names else None
    return TextMeaning(column, term.value if value is None else value, False, False, value_names)


def _reader(column: Column, names: Vocabulary) -> Read:
    kind = kind_of(column)
    if kind == BOOL:
        return bool_literal
    if kind == TIME:
        return time_literal()
    return number_literal(column.unit, names.number_of(column), column.type)


def _wrong_operator(column: Column, kind: str, term: Term) -> FilterFault:
    operator = term.operator
    if kind == TEXT:
        message = f"{operator} compares numbers, but {column.title} is text: use = or ~"
        return FilterFault(message, term.start, term.end)
    if kind == BOOL:
        message = f"{operator} does not apply to {column.title}, which is true or false: use ="
    else:
        message = f"{operator} is for text, but {column.title} is a {kind}: use =, < or >"
    fix = Fix(term.start, term.end, f"{term.name}={term.value.replace('*', '')}")
    return FilterFault(message, term.start, term.end, [fix])


def _unknown_column(term: Term, names: Vocabulary) -> FilterFault:
    nearest = names.nearest(term.name)
    hint = f"did you mean {nearest}?" if nearest else "quote it to search for the text"
    fixes = [Fix(term.start, term.name_end, nearest)] if nearest else []
    message = f"no column {quoted(term.name)}; {hint}"
    return FilterFault(message, term.start, term.name_end, fixes)
