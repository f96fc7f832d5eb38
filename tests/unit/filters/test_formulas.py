# SPDX-License-Identifier: Apache-2.0
"""Clauses: what they mean, and that few are needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.filters.formulas import FALSE, TRUE, TooManyClausesError, both, either, literal

BITS = 4


def truth(clauses: list[tuple[int, int]]) -> list[bool]:
    return [any(r & care == want for care, want in clauses) for r in range(1 << BITS)]


LITERALS = st.builds(literal, st.integers(0, BITS - 1), st.booleans())
FORMULAS = st.recursive(
    LITERALS | st.sampled_from([TRUE, FALSE]),
    lambda parts: st.builds(both, parts, parts) | st.lists(parts, max_size=3).map(either),
    max_leaves=20,
)


@given(FORMULAS, FORMULAS)
def test_both_and_either(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    pairs = list(zip(truth(first), truth(second), strict=True))
    assert truth(both(first, second)) == [a and b for a, b in pairs]
    assert truth(either([first, second])) == [a or b for a, b in pairs]


def test_what_says_nothing_is_dropped() -> None:
    a, not_a, b = literal(0, True), literal(0, False), literal(1, True)
    assert either([a, not_a]) == TRUE
    assert both(a, not_a) == FALSE
    assert either([a, both(a, b)]) == a
    assert either([both(a, b), both(not_a, b)]) == b


def test_too_many() -> None:
    with pytest.raises(TooManyClausesError):
        either([literal(bit, True) for bit in range(65)])
