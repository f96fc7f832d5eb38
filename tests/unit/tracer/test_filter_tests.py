# SPDX-License-Identifier: Apache-2.0
"""A filter in the kernel's form means what the model of it means (app/filters/kernel_filter.py).

`passes` makes the tests as bpf/template/filter_tests.c does.
"""

from __future__ import annotations

import random
import struct

import pytest

from app.columns.plan import ENTRY, RESULT, RETURN, Hook, Plan, Read
from app.filters.kernel_filter import (
    COMM,
    EQUAL,
    HEAD,
    HEAD_BYTES,
    PREFIX,
    PROCESS,
    SUFFIX,
    TEXTS,
    VALUES,
    WORD,
    KernelFilter,
    NumberTest,
    Test,
    TextTest,
    evaluate_record,
)
from app.filters.kernel_filter import RETURN as AT_RETURN
from app.probes.spec import Filter
from app.tracer.filter_tests import NUMBER_TESTS, FilterTests, joined, kernel_form

PLAN = Plan(
    Hook("function", "f"),
    "fexit",
    True,
    (Read(ENTRY, 0, size=0), Read(RETURN, RESULT, size=0, left=32, right=32, signed=True)),
    (),
    (),
    {},
)
VALUES_COUNT = 3


def passes(tests: FilterTests, fixed: bytes, texts: list[bytes | None]) -> bool:
    names = [fixed[64:80].split(b"\0")[0], fixed[80:96].split(b"\0")[0]]
    mask = 0
    if (struct.unpack_from("<I", fixed, 24)[0] ^ tests.pid) & tests.pid_bits:
        return False
    unreadable = struct.unpack_from("<I", fixed, 44)[0]
    for number in range(tests.number_ends[3]):
        test = tests.numbers[number]
        word = struct.unpack_from("<Q", fixed, test.offset)[0]
        word = (word << test.left & WORD) ^ test.flip
        if (word - test.low) & WORD <= test.span and not unreadable >> test.value & 1:
            mask |= 1 << number
    for number in range(tests.text_ends[3]):
        wanted = tests.texts[number]
        text = [*texts, *names][wanted.source]
        marks = 0 if wanted.source > 3 else struct.unpack_from("<I", fixed, 40)[0] >> wanted.source
        if text is None or marks & wanted.marks:
            continue
        if len(text) < wanted.size or (wanted.is_whole and len(text) > wanted.size):
            continue
        start = len(text) - wanted.size if wanted.is_end else 0
        if text[start : start + wanted.size] == bytes(wanted.pattern[: wanted.size]):
            mask |= 1 << number + NUMBER_TESTS
    clauses = [(tests.clauses[i].care, tests.clauses[i].want) for i in range(tests.clause_count)]
    return not clauses or any(mask & care == want for care, want in clauses)


def random_record(random_: random.Random) -> tuple[bytes, list[bytes | None]]:
    words = [random_.choice((0, 1, WORD, 1 << 63, random_.getrandbits(64))) for _ in range(5)]
    flags = random_.choice((0, random_.getrandbits(16)))
    words.append(random_.getrandbits(VALUES_COUNT) << 32 | flags)
    names = b"".join(random_.choice((b"rm", b"rmdir", b"x" * 15)).ljust(16, b"\0") for _ in "ab")
    values = [
        random_.choice((0, 5, WORD, 1 << 63, random_.getrandbits(64))) for _ in range(VALUES_COUNT)
    ]
    head = struct.pack("<6Q", *words) + bytes(16) + names
    assert len(head) == HEAD_BYTES
    texts = [random_.choice((None, b"", b"/tmp/a", b"/tmp/a.log", b"a" * 70)) for _ in range(4)]
    return head + struct.pack(f"<{VALUES_COUNT}Q", *values), texts


def random_test(random_: random.Random) -> Test:
    if random_.random() < 0.5:
        data = random_.choice((b"", b"/tmp/a", b".log", b"rm", b"x" * 15, b"a" * 64))
        source = random_.choice((0, 1, 2, 3, COMM, PROCESS))
        phase = HEAD if source in (COMM, PROCESS) else random_.choice((TEXTS, AT_RETURN))
        return TextTest(phase, source, random_.choice((EQUAL, PREFIX, SUFFIX)), data)
    if random_.random() < 0.2:
        pid = random_.choice((0, 1, 0xFFFF_FFFF))
        return NumberTest(HEAD, 24, 32, 32, False, pid, pid)
    offset = random_.choice((8, 24, 32, *(HEAD_BYTES + 8 * i for i in range(VALUES_COUNT))))
    left = random_.choice((0, 0, 32, 48, 56))
    right = random_.choice((left, 32, 0)) if left == 0 else left
    low, high = sorted(random_.choice((-(1 << 63), -5, 0, 5, WORD)) for _ in "ab")
    if random_.random() < 0.1:
        low, high = high, low
    phase = HEAD if offset < HEAD_BYTES else VALUES
    return NumberTest(phase, offset, left, right, random_.random() < 0.5, low, high)


@pytest.mark.parametrize("seed", range(300))
def test_the_kernels_form_means_the_same(seed: int) -> None:
    random_ = random.Random(seed)
    tests = tuple(
        sorted(
            (random_test(random_) for _ in range(random_.randrange(0, 9))), key=lambda t: t.phase
        )
    )
    clauses = []
    for _ in range(random_.randrange(0, 9) if tests else 0):
        care = random_.getrandbits(len(tests))
        clauses.append((care, care & random_.getrandbits(len(tests))))
    wanted = KernelFilter(tests, tuple(clauses))
    made = kernel_form(wanted, enabled=True)
    for _ in range(20):
        fixed, texts = random_record(random_)
        assert passes(made, fixed, texts) == evaluate_record(wanted, fixed, texts), (wanted, texts)


def test_groups_end_where_the_next_begins() -> None:
    tests: tuple[Test, ...] = (
        NumberTest(HEAD, 24, 0, 32, False, 1, 1),
        TextTest(HEAD, COMM, EQUAL, b"rm"),
        NumberTest(VALUES, HEAD_BYTES, 0, 0, False, 1, 1),
        TextTest(TEXTS, 0, EQUAL, b"x"),
        NumberTest(AT_RETURN, HEAD_BYTES + 8, 0, 0, True, -9, -1),
    )
    made = kernel_form(KernelFilter(tests, ((0b11111, 0b11111),)), enabled=False)
    assert made.enabled == 0
    assert list(made.number_ends) == [1, 2, 2, 3]
    assert list(made.text_ends) == [1, 1, 2, 2]
    text = 1 << NUMBER_TESTS
    assert list(made.known) == [1 | text, 3 | text, 3 | 3 * text, 7 | 3 * text]
    assert made.clauses[0].care == made.known[3]
    assert made.at_return == 1


def test_the_only_process_is_no_test_of_a_clause() -> None:
    pid = NumberTest(HEAD, 24, 32, 32, False, 7, 7)
    other = TextTest(TEXTS, 0, EQUAL, b"x")
    made = kernel_form(KernelFilter((other, pid), ((0b11, 0b11), (0b11, 0b10))), enabled=True)
    assert (made.pid, made.pid_bits, made.at_return) == (7, 0xFFFF_FFFF, 0)
    assert (list(made.number_ends), list(made.text_ends)) == ([0] * 4, [0, 0, 1, 1])
    assert made.clause_count == 2
    alone = kernel_form(KernelFilter((pid,), ((1, 1),)), enabled=True)
    assert (alone.pid_bits, alone.clause_count) == (0xFFFF_FFFF, 0)
    for clauses in (((1, 1), (2, 2)), ((1, 0),), ()):  # some other process may pass
        made = kernel_form(KernelFilter((pid, other), clauses), enabled=True)
        assert made.pid_bits == 0


def test_the_filter_of_all_probes_must_hold_too() -> None:
    where = KernelFilter((NumberTest(VALUES, HEAD_BYTES, 0, 0, False, 5, 5),), ((1, 1), (1, 0)))
    both = joined(Filter(pid=7, comm="rm", only_failures=True), where, PLAN)
    assert [test.phase for test in both.tests] == [HEAD, HEAD, AT_RETURN, VALUES]
    assert both.clauses == ((0b1111, 0b1111), (0b1111, 0b0111))
    assert joined(Filter(), where, PLAN) is where
    alone = joined(Filter(uid=0, process="x"), KernelFilter(), PLAN)
    assert alone.clauses == ((0b11, 0b11),)


def test_failures_need_a_result() -> None:
    plan = Plan(Hook("function", "f"), "fentry", False, (), (), (), {})
    with pytest.raises(ValueError, match="return value"):
        joined(Filter(only_failures=True), KernelFilter(), plan)


def test_what_has_no_room_is_refused() -> None:
    test = NumberTest(HEAD, 24, 0, 0, False, 1, 1)
    with pytest.raises(ValueError, match="too many"):
        kernel_form(KernelFilter((test,) * 21, (((1 << 21) - 1, 1),)), enabled=True)
    with pytest.raises(ValueError, match="too long"):
        kernel_form(KernelFilter((TextTest(TEXTS, 0, EQUAL, b"x" * 65),), ((1, 1),)), enabled=True)
