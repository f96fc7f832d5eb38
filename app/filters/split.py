# SPDX-License-Identifier: Apache-2.0
"""Splits a filter of a probe between the kernel and the service, at what must all hold.

Each part of the filter is either tested in the kernel as a whole or stays a text, which the
service and the page evaluate. Both together pass what the whole filter passes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.columns.plan import Output, Plan
from app.filters.fault import with_good_fixes
from app.filters.formulas import FALSE, TRUE, Clauses, TooManyClausesError, both, either, literal
from app.filters.grammar import parse
from app.filters.kernel_filter import MAX_CLAUSES, MAX_TESTS, KernelFilter, NumberTest, Test
from app.filters.kernel_tests import LABEL_DECODER, kernel_tests, source_of
from app.filters.terms import meanings
from app.filters.tree import And, Node, Not, Or, Word, conjuncts
from app.filters.vocabulary import UserNumber, Vocabulary, no_users

# Passes nothing: `entry_ns` is at least 1 and at most 0.
NOTHING = KernelFilter((NumberTest(0, 0, 0, 0, False, 1, 0),), ((1, 1),))


@dataclass(frozen=True)
class Split:
    """`kernel` is what the kernel tests, None for nothing; `rest` the text of the other parts,
    None if there are none."""

    kernel: KernelFilter | None
    rest: str | None


class _NotInKernelError(Exception):
    """A test that the kernel cannot make."""


def plan_vocabulary(plan: Plan, user_number: UserNumber = no_users) -> Vocabulary:
    """Return what a filter of the plan's rows may name."""
    outputs = [_named(output) for output in plan.outputs]
    tables = {each.column.names: dict(each.names) for each in outputs if each.names}
    return Vocabulary.of(
        [output.column for output in outputs],
        {name: table for name, table in tables.items() if name is not None},
        user_number,
    )


def _named(output: Output) -> Output:
    """Name the table of names of an output of numbers that has one."""
    if output.column.names is not None or not output.names or output.decoder == LABEL_DECODER:
        return output
    return replace(output, column=replace(output.column, names=output.column.name))


def split(text: str, plan: Plan, user_number: UserNumber = no_users) -> Split:
    """Return what the kernel tests of a filter, and the rest. Raises FilterFault.

    Of what does not fit into a KernelFilter, the later parts stay in the rest.
    """
    names = plan_vocabulary(plan, user_number)
    return with_good_fixes(text, lambda each: _split(each, plan, names))


def _split(text: str, plan: Plan, names: Vocabulary) -> Split:
    compiler = _Compiler(plan, names)
    rest = []
    for node in conjuncts(parse(text, names)):
        if not compiler.add(node):
            rest.append(text[node.start : node.end])
    return Split(compiler.kernel_filter(), " and ".join(rest) or None)


class _Compiler:
    def __init__(self, plan: Plan, names: Vocabulary) -> None:
        self._plan = plan
        self._names = names
        self._outputs = {output.column.name: output for output in plan.outputs}
        self._tests: list[Test] = []
        self._clauses = TRUE

    def add(self, node: Node) -> bool:
        """Add a part that must hold; return whether the kernel tests it.

        Raises FilterFault for an invalid one.
        """
        _check(node, self._names)
        tests = len(self._tests)
        try:
            clauses = both(self._clauses, self._formula(node, wanted=True))
        except (_NotInKernelError, TooManyClausesError):
            clauses = None
        if clauses is None or len(self._tests) > MAX_TESTS or len(clauses) > MAX_CLAUSES:
            del self._tests[tests:]
            return False
        self._clauses = clauses
        return True

    def kernel_filter(self) -> KernelFilter | None:
        """Return what was added: the tests that clauses need, ordered by phase."""
        if self._clauses == TRUE:
            return None
        if self._clauses == FALSE:
            return NOTHING
        used = 0
        for care, _ in self._clauses:
            used |= care
        bits = [bit for bit in range(len(self._tests)) if used >> bit & 1]
        bits.sort(key=lambda bit: self._tests[bit].phase)

        def moved(mask: int) -> int:
            return sum((mask >> bit & 1) << place for place, bit in enumerate(bits))

        clauses = tuple((moved(care), moved(want)) for care, want in self._clauses)
        return KernelFilter(tuple(self._tests[bit] for bit in bits), clauses)

    def _formula(self, node: Node, *, wanted: bool) -> Clauses:
        if isinstance(node, Not):
            return self._formula(node.part, wanted=not wanted)
        if isinstance(node, And | Or):
            parts = (self._formula(part, wanted=wanted) for part in node.parts)
            return _all(parts) if isinstance(node, And) == wanted else either(parts)
        if isinstance(node, Word):
            raise _NotInKernelError
        found, is_negated = meanings(node, self._names)
        wanted = wanted != is_negated
        alternatives = []
        for meaning in found:
            output = self._outputs.get(meaning.column.name)
            source = None if output is None else source_of(output, self._plan)
            tests = None if source is None else kernel_tests(meaning, source)
            if tests is None:
                raise _NotInKernelError
            alternatives.extend(tests)
        if wanted:
            return either([literal(self._bit(test), True) for test in alternatives])
        return _all([literal(self._bit(test), False) for test in alternatives])

    def _bit(self, test: Test) -> int:
        if test not in self._tests:
            if len(self._tests) > 2 * MAX_TESTS:
                raise _NotInKernelError
            self._tests.append(test)
        return self._tests.index(test)


def _all(formulas: Iterable[Clauses]) -> Clauses:
    result = TRUE
    for formula in formulas:
        result = both(result, formula)
    return result


def _check(node: Node, names: Vocabulary) -> None:
    """Raise the FilterFault of an invalid test, also of one after a test for the service."""
    if isinstance(node, And | Or):
        for part in node.parts:
            _check(part, names)
    elif isinstance(node, Not):
        _check(node.part, names)
    elif not isinstance(node, Word):
        meanings(node, names)
