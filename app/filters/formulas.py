# SPDX-License-Identifier: Apache-2.0
"""Combinations of tests as a disjunction of clauses, `(care, want)` over bits of tests.

A list of clauses is true where any of them is; without one it is false, and with the clause
(0, 0) it is true.
"""

from __future__ import annotations

from collections.abc import Iterable

Clause = tuple[int, int]
Clauses = list[Clause]

FALSE: Clauses = []
TRUE: Clauses = [(0, 0)]
MAX_INTERMEDIATE = 64  # clauses, on the way to a result


class TooManyClausesError(Exception):
    """A formula needs more than MAX_INTERMEDIATE clauses."""


def literal(bit: int, wanted: bool) -> Clauses:
    """Return what is true if a test is `wanted`."""
    return [(1 << bit, wanted << bit)]


def either(formulas: Iterable[Clauses]) -> Clauses:
    """Return the disjunction. Raises TooManyClausesError."""
    return _simplified([clause for formula in formulas for clause in formula])


def both(first: Clauses, second: Clauses) -> Clauses:
    """Return the conjunction. Raises TooManyClausesError."""
    joined = []
    for care, want in first:
        for other_care, other_want in second:
            shared = care & other_care
            if want & shared == other_want & shared:
                joined.append((care | other_care, want | other_want))
    return _simplified(joined)


def _simplified(clauses: Iterable[Clause]) -> Clauses:
    """Drop clauses that another one covers; join two that differ in one wanted bit."""
    kept: Clauses = []
    waiting = sorted(set(clauses), key=lambda each: (-each[0].bit_count(), each))
    while waiting:
        clause = waiting.pop()
        if any(_covers(known, clause) for known in kept):
            continue
        care, want = clause
        twin = next((each for each in kept if _differ_in_one_bit(each, clause)), None)
        if twin is not None:
            kept.remove(twin)
            bit = want ^ twin[1]
            waiting.append((care & ~bit, want & ~bit))
            continue
        kept = [known for known in kept if not _covers(clause, known)]
        kept.append(clause)
    if len(kept) > MAX_INTERMEDIATE:
        raise TooManyClausesError
    return kept


def _differ_in_one_bit(first: Clause, second: Clause) -> bool:
    return first[0] == second[0] and (first[1] ^ second[1]).bit_count() == 1


def _covers(general: Clause, special: Clause) -> bool:
    care, want = general
    return care & special[0] == care and special[1] & care == want
