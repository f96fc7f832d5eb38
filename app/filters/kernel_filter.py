# SPDX-License-Identifier: Apache-2.0
"""A filter as the BPF programs run it: tests of a record, and what combinations of them pass.

The record's fixed part is the head, 96 bytes, and a u64 for each value of the plan; all of it is
little-endian (bpf/template/layout.c).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

MAX_TESTS = 16
MAX_CLAUSES = 8
MAX_TEXT_TEST_BYTES = 64

# Phases: the earliest moment at which a test can be made.
HEAD, VALUES, TEXTS, RETURN = 0, 1, 2, 3

# Sources of texts besides 0 to 3, those of the plan.
COMM, PROCESS = 16, 17

# Offsets in the head, in bytes.
LATENCY_NS, RET, PID_TID, UID_CPU, FLAGS, UNREADABLE = 8, 16, 24, 32, 40, 44
NAMES = {COMM: 64, PROCESS: 80}
NAME_BYTES = 16  # TASK_COMM_LEN, include/linux/sched.h
HEAD_BYTES = 96
WORD_BYTES = 8
WORD_BITS = 64
WORD = (1 << WORD_BITS) - 1

EQUAL, PREFIX, SUFFIX = "equal", "prefix", "suffix"

# Marks of text i in the head's flags, shifted left by i: its end is missing, or its beginning.
TEXT_CUT, PATH_OPEN = 1, 0x100


@dataclass(frozen=True)
class NumberTest:
    """Whether `low <= number <= high`; false for a value that could not be read.

    The number is the u64 at `offset`, shifted left and then right by bits, which cuts out a part;
    with `signed` the shift to the right is arithmetic, and the comparison signed.
    """

    phase: int
    offset: int
    left: int
    right: int
    signed: bool
    low: int
    high: int

    @property
    def value(self) -> int | None:
        """The index of the plan's value that is tested; None for a part of the head."""
        return None if self.offset < HEAD_BYTES else (self.offset - HEAD_BYTES) // WORD_BYTES


@dataclass(frozen=True)
class TextTest:
    """Whether a text equals `data`, begins or ends with it; false for null.

    Nothing is known of an end that is missing: there a text does not pass, as "…" stands there.
    `source` is the index of a text of the plan, COMM or PROCESS; `match` is EQUAL, PREFIX or
    SUFFIX; `data` has at most 64 bytes. Without bytes, PREFIX passes every text that is not null.
    """

    phase: int
    source: int
    match: str
    data: bytes

    @property
    def marks(self) -> int:
        """The marks with which a text does not pass."""
        if self.match == EQUAL:
            return TEXT_CUT | PATH_OPEN
        return (TEXT_CUT if self.match == SUFFIX else PATH_OPEN) if self.data else 0


Test = NumberTest | TextTest


@dataclass(frozen=True)
class KernelFilter:
    """At most 16 tests, ordered by phase, and at most 8 clauses `(care, want)`.

    Bit i of `care` and `want` is for test i. A record passes if the results, as bits, have
    `results & care == want` for any clause. Without a clause every record passes.
    """

    tests: tuple[Test, ...] = ()
    clauses: tuple[tuple[int, int], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the filter as JSON; bytes as hexadecimal digits."""
        return {
            "tests": [_test_as_json(test) for test in self.tests],
            "clauses": [list(clause) for clause in self.clauses],
        }

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> KernelFilter:
        """Return the filter of `as_json`; raises KeyError, TypeError or ValueError for others."""
        return cls(
            tuple(_test_from_json(each) for each in members["tests"]),
            tuple((int(care), int(want)) for care, want in members["clauses"]),
        )


def _test_as_json(test: Test) -> dict[str, Any]:
    if isinstance(test, TextTest):
        return {**asdict(test), "data": test.data.hex()}
    return asdict(test)


def _test_from_json(members: Mapping[str, Any]) -> Test:
    if "data" in members:
        return TextTest(**{**members, "data": bytes.fromhex(members["data"])})
    return NumberTest(**members)


def evaluate_record(
    kernel_filter: KernelFilter, fixed: bytes, texts: Sequence[bytes | None]
) -> bool:
    """Return whether a record passes: a model of the BPF program, for tests.

    `fixed` is the record's fixed part, `texts` the bytes of the plan's texts, None for null.
    """
    results = 0
    for bit, test in enumerate(kernel_filter.tests):
        passes = _number(test, fixed) if isinstance(test, NumberTest) else _text(test, fixed, texts)
        results |= passes << bit
    clauses = kernel_filter.clauses
    return not clauses or any(results & care == want for care, want in clauses)


def _number(test: NumberTest, fixed: bytes) -> bool:
    unreadable = int.from_bytes(fixed[UNREADABLE : UNREADABLE + 4], "little")
    if test.value is not None and unreadable >> test.value & 1:
        return False
    word = int.from_bytes(fixed[test.offset : test.offset + WORD_BYTES], "little")
    number = word << test.left & WORD
    if test.signed and number >> (WORD_BITS - 1):
        number -= 1 << WORD_BITS
    return test.low <= number >> test.right <= test.high


def _text(test: TextTest, fixed: bytes, texts: Sequence[bytes | None]) -> bool:
    start = NAMES.get(test.source)
    if start is None:
        text = texts[test.source]
    else:
        text = fixed[start : start + NAME_BYTES].split(b"\0", 1)[0]
    if text is None:
        return False
    flags = int.from_bytes(fixed[FLAGS : FLAGS + 4], "little")
    if start is None and flags >> test.source & test.marks:
        return False
    if test.match == EQUAL:
        return text == test.data
    return text.startswith(test.data) if test.match == PREFIX else text.endswith(test.data)
