# SPDX-License-Identifier: Apache-2.0
"""The filter of a plan's probe as its programs test it (bpf/template/filter_tests.c)."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

from app.columns.plan import RESULT, RETURN, Plan
from app.filters.kernel_filter import (
    COMM,
    EQUAL,
    HEAD,
    HEAD_BYTES,
    PID_TID,
    PROCESS,
    RET,
    SUFFIX,
    UID_CPU,
    WORD,
    WORD_BYTES,
    KernelFilter,
    NumberTest,
    Test,
    TextTest,
)
from app.filters.kernel_filter import RETURN as RETURN_PHASE
from app.probes.spec import Filter
from app.tracer.double_buffer import DoubleBuffer
from app.tracer.loader import LoadedMap

NUMBER_TESTS, TEXT_TESTS, CLAUSES, PATTERN_BYTES, GROUPS = 20, 20, 8, 64, 4
_SOURCES = {COMM: 4, PROCESS: 5}
_NO_VALUE = 31
_TOP_BIT = 1 << 63
_ALL_BITS = (1 << 32) - 1  # of a u32


class _Number(ctypes.Structure):
    """struct number_test."""

    _fields_ = (
        ("low", ctypes.c_uint64),
        ("span", ctypes.c_uint64),
        ("flip", ctypes.c_uint64),
        ("left", ctypes.c_uint32),
        ("offset", ctypes.c_uint32),
        ("value", ctypes.c_uint32),
        ("unused", ctypes.c_uint32),
    )


class _Text(ctypes.Structure):
    """struct text_test."""

    _fields_ = (
        ("source", ctypes.c_uint32),
        ("size", ctypes.c_int32),
        ("is_whole", ctypes.c_uint32),
        ("is_end", ctypes.c_uint32),
        ("marks", ctypes.c_uint32),
        ("unused", ctypes.c_uint32),
        ("pattern", ctypes.c_uint8 * PATTERN_BYTES),
        ("bits", ctypes.c_uint8 * PATTERN_BYTES),
    )


class _Clause(ctypes.Structure):
    """struct clause."""

    _fields_ = (("care", ctypes.c_uint64), ("want", ctypes.c_uint64))


class FilterTests(ctypes.Structure):
    """struct filter."""

    _fields_ = (
        ("enabled", ctypes.c_uint32),
        ("pid", ctypes.c_uint32),
        ("pid_bits", ctypes.c_uint32),
        ("at_return", ctypes.c_uint32),
        ("clause_count", ctypes.c_uint32),
        ("unused", ctypes.c_uint32),
        ("number_ends", ctypes.c_uint32 * GROUPS),
        ("text_ends", ctypes.c_uint32 * GROUPS),
        ("known", ctypes.c_uint64 * GROUPS),
        ("clauses", _Clause * CLAUSES),
        ("numbers", _Number * NUMBER_TESTS),
        ("texts", _Text * TEXT_TESTS),
    )


def tests_of(wanted: Filter, plan: Plan) -> tuple[Test, ...]:
    """Return the tests of a probe's filter, all of which must hold.

    Raises ValueError for `only_failures` where no return value is known.
    """
    found: list[Test] = []
    if wanted.pid is not None:
        found.append(_pid_test(wanted.pid))
    if wanted.uid is not None:
        found.append(NumberTest(HEAD, UID_CPU, 32, 32, False, wanted.uid, wanted.uid))
    for source, name in ((COMM, wanted.comm), (PROCESS, wanted.process)):
        if name is not None:
            found.append(TextTest(HEAD, source, EQUAL, name.encode()))
    if wanted.only_failures:
        # A template knows the result's type by a value, programs of their own have it as a number.
        offset = RET if plan.has_own_programs else HEAD_BYTES + WORD_BYTES * _result(plan)
        found.append(NumberTest(RETURN_PHASE, offset, 0, 0, True, -(1 << 63), -1))
    return tuple(found)


def _pid_test(pid: int) -> NumberTest:
    return NumberTest(HEAD, PID_TID, 32, 32, False, pid, pid)


def _one_process(wanted: KernelFilter) -> tuple[int | None, KernelFilter]:
    """Return the only process of which a filter passes calls, and the rest of the filter.

    There is one if all clauses want the same test of it. Programs make this test before they read
    anything.
    """
    for place, test in enumerate(wanted.tests):
        bit = 1 << place
        if (
            isinstance(test, NumberTest)
            and test == _pid_test(test.low & _ALL_BITS)
            and wanted.clauses
            and all(care & want & bit for care, want in wanted.clauses)
        ):
            clauses = tuple((care & ~bit, want & ~bit) for care, want in wanted.clauses)
            passes_rest = any(not care for care, _ in clauses)
            return test.low, KernelFilter(wanted.tests, () if passes_rest else clauses)
    return None, wanted


def _result(plan: Plan) -> int:
    """Return which value is the return value."""
    for place, read in enumerate(plan.values):
        if read.at == RETURN and read.base == RESULT and not read.derefs and not read.size:
            return place
    raise ValueError("the plan has no return value")


def joined(wanted: Filter, where: KernelFilter, plan: Plan) -> KernelFilter:
    """Return the filter that passes what both pass."""
    first = tests_of(wanted, plan)
    if not first:
        return where
    all_of = (1 << len(first)) - 1
    clauses = where.clauses or ((0, 0),)
    return KernelFilter(
        (*first, *where.tests),
        tuple((care << len(first) | all_of, want << len(first) | all_of) for care, want in clauses),
    )


def kernel_form(wanted: KernelFilter, *, enabled: bool) -> FilterTests:
    """Return the kernel's form of a filter; raises ValueError for one that has no room there."""
    pid, wanted = _one_process(wanted)
    used = 0
    for care, _ in wanted.clauses:
        used |= care
    tested = {place: test for place, test in enumerate(wanted.tests) if used >> place & 1}
    numbers = [place for place, test in tested.items() if isinstance(test, NumberTest)]
    texts = [place for place, test in tested.items() if isinstance(test, TextTest)]
    if len(numbers) > NUMBER_TESTS or len(texts) > TEXT_TESTS or len(wanted.clauses) > CLAUSES:
        raise ValueError("the filter has too many tests for the kernel")
    numbers.sort(key=lambda place: wanted.tests[place].phase)
    texts.sort(key=lambda place: wanted.tests[place].phase)
    bits = {place: number for number, place in enumerate(numbers)}
    bits |= {place: NUMBER_TESTS + number for number, place in enumerate(texts)}
    result = FilterTests(int(enabled), clause_count=len(wanted.clauses))
    if pid is not None:
        result.pid, result.pid_bits = pid, _ALL_BITS
    result.at_return = any(test.phase == RETURN_PHASE for test in tested.values())
    for group in range(GROUPS):
        made = [place for place in bits if wanted.tests[place].phase <= group]
        result.number_ends[group] = sum(place in made for place in numbers)
        result.text_ends[group] = sum(place in made for place in texts)
        result.known[group] = sum(1 << bits[place] for place in made)
    for number, (care, want) in enumerate(wanted.clauses):
        result.clauses[number] = _Clause(_moved(care, bits), _moved(want, bits))
    for number, place in enumerate(numbers):
        result.numbers[number] = _number(wanted.tests[place])
    for number, place in enumerate(texts):
        result.texts[number] = _text(wanted.tests[place])
    return result


def _moved(mask: int, bits: Mapping[int, int]) -> int:
    return sum(1 << bit for place, bit in bits.items() if mask >> place & 1)


def _number(test: Test) -> _Number:
    """Return a test whose bounds are shifted as the word is: what a shift to the right would drop
    is anything from 0 to all ones."""
    assert isinstance(test, NumberTest)
    width = 64 - test.right
    least, most = (
        (-(1 << width - 1), (1 << width - 1) - 1) if test.signed else (0, (1 << width) - 1)
    )
    low, high = max(test.low, least), min(test.high, most)
    flip = _TOP_BIT if test.signed else 0
    value = _NO_VALUE if test.value is None else test.value
    if low > high:  # nothing passes: a span of 0 at a word that no shifted number has
        return _Number(1, 0, 0, 63, test.offset, value)
    dropped = (1 << test.right) - 1
    first = (low << test.right & WORD) ^ flip
    last = ((high << test.right & WORD) | dropped) ^ flip
    return _Number(first, last - first, flip, test.left, test.offset, value)


def _text(test: Test) -> _Text:
    assert isinstance(test, TextTest)
    data = test.data
    result = _Text(
        _SOURCES.get(test.source, test.source),
        len(data),
        _ALL_BITS if test.match == EQUAL else 0,
        _ALL_BITS if test.match == SUFFIX else 0,
        test.marks,
    )
    if len(data) > PATTERN_BYTES:
        raise ValueError("a pattern is too long for the kernel")
    result.pattern[: len(data)] = data
    result.bits[: len(data)] = b"\xff" * len(data)
    return result


class FilterTestsSwitch:
    """Replaces the active filter."""

    def __init__(self, maps: Mapping[str, LoadedMap]) -> None:
        self._buffer = DoubleBuffer(maps["filters"], maps["active_filter"])

    def set(self, wanted: KernelFilter, *, enabled: bool) -> None:
        """Switch to another filter, as `DoubleBuffer.set` does; also raises ValueError."""
        self._buffer.set(bytes(kernel_form(wanted, enabled=enabled)))
