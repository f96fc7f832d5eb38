# SPDX-License-Identifier: Apache-2.0
"""Any function, system call and tracepoint: every column shows what the workload passed.

The cases are data (tests/kernels/any_functions.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.kernels.any_functions import (
    ANYTHING,
    FUNCTIONS,
    NOTHING,
    SYSCALL,
    SYSTEM_CALLS,
    TRACEPOINTS,
    Case,
    Enumerator,
    Facts,
    OneOf,
)
from tests.support.any_calls import AnyCalls, any_calls
from tests.support.batches import Row
from tests.support.fixtures import skip
from tests.support.service import Service
from tests.support.suites import oldest_in_turn

PROBE = "any-case"
AT_ENTRY = ("fentry", "kprobe")
FUNCTION_MODES = ("fentry", "fexit", "kprobe", "kretprobe")
TRAMPOLINE_MODES = ("fentry", "fexit")
MAX_WORDS_BEFORE_6_6 = 6


@pytest.fixture(scope="module")
def calls() -> Iterator[AnyCalls]:
    with any_calls() as process:
        yield process


def release() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int(minor)


def is_beyond_trampolines(case: Case) -> bool:
    """Whether this kernel's trampolines cannot take the arguments (DESIGN, and BTF checks)."""
    if case.by_value and release() < (6, 1):
        return True
    return case.words > MAX_WORDS_BEFORE_6_6 and release() < (6, 6)


def columns_in(case: Case, mode: str) -> dict[str, tuple[str, Any]]:
    """The columns that a mode can show: at entry there is no return value."""
    return {
        name: (expression, expected)
        for name, (expression, expected) in case.columns.items()
        if mode not in AT_ENTRY or not expression.startswith("ret")
    }


def start(service: Service, case: Case, mode: str, pid: int) -> Any:
    """Start the case's first candidate that the kernel has; return the answer to the last."""
    columns = [
        f"{expression} as {name}" for name, (expression, _) in columns_in(case, mode).items()
    ]
    answer = None
    for name in case.names:
        spec = {"mode": mode, case.kind: name, "columns": columns, "filter": {"pid": pid}}
        answer = service.request("POST", f"/probes/{PROBE}", spec)
        if answer.status == 201:
            return answer
    return answer


def rows_of(service: Service, case: Case, mode: str, calls: AnyCalls) -> tuple[list[Row], Facts]:
    """Trace one run of the case's workload; return all rows of its process, and the facts."""
    answer = start(service, case, mode, calls.pid)
    assert answer.status == 201, answer.json
    cursor = service.cursor()
    facts = calls.run(case.workload)
    stopped = service.stop(PROBE)
    rows, _ = service.events_after(cursor)
    rows = [row for row in rows if row["probe"] == PROBE]
    counters = stopped["counters"]
    # The process waits for its next workload, in a call that has not returned.
    unfinished = stopped["drops"]["unfinished"]
    assert unfinished <= 1
    assert counters["delivered"] == len(rows)
    assert counters["produced"] == counters["delivered"] + unfinished
    assert counters["dropped_kernel"] == unfinished
    assert {row["pid"] for row in rows} <= {calls.pid}
    return rows, facts


def expected_of(expected: Any, facts: Facts) -> Any:
    if isinstance(expected, type | Enumerator) or not callable(expected):
        return expected
    return expected(facts)


def is_shown(value: Any, expected: Any) -> bool:
    if expected is ANYTHING:
        return value is not None
    if isinstance(expected, Enumerator):
        return value in (expected.name, expected.number)
    if isinstance(expected, OneOf):
        return value in expected.values
    if isinstance(value, str) and isinstance(expected, int):  # in hexadecimal
        return value == hex(expected)
    return bool(value == expected)


def check(case: Case, mode: str, rows: list[Row], facts: Facts) -> None:
    wanted = {
        name: expected_of(expected, facts) for name, (_, expected) in columns_in(case, mode).items()
    }
    found = [row for row in rows if all(is_shown(row[name], wanted[name]) for name in case.key)]
    assert found, f"no row of {len(rows)} has { ({name: wanted[name] for name in case.key}) }"
    if case.times is not None:
        assert len(found) == case.times
    for row in found:
        shown = {name: row[name] for name in wanted}
        wrong = {name for name in wanted if not is_shown(shown[name], wanted[name])}
        assert not wrong, f"{shown} instead of {wanted}"
        assert row["comm"] == facts["comm"]
        check_result(case, mode, row, facts)


def check_result(case: Case, mode: str, row: Mapping[str, Any], facts: Facts) -> None:
    if mode in AT_ENTRY or case in TRACEPOINTS:
        assert not {"ret", "errno", "latency_ns"} & set(row)
        return
    assert row["latency_ns"] > 0
    if case.ret is NOTHING:
        assert not {"ret", "errno"} & set(row)
        return
    assert is_shown(row["ret"], expected_of(case.ret, facts)), row["ret"]
    assert row.get("errno") == case.errno


def can_find_its_rows(case: Case, mode: str) -> bool:
    """Whether the case's key is there: not where it is read at return, and the mode is not."""
    return set(case.key) <= set(columns_in(case, mode))


@pytest.mark.parametrize(
    ("case", "mode"),
    [
        pytest.param(case, mode, id=f"{case.label}-{mode}", marks=oldest_in_turn(number + place))
        for number, case in enumerate(FUNCTIONS)
        for place, mode in enumerate(FUNCTION_MODES)
        if can_find_its_rows(case, mode)
    ],
)
def test_a_function(
    case: Case, mode: str, idle: Service, modes: tuple[str, ...], calls: AnyCalls
) -> None:
    if mode not in modes:
        skip(f"this kernel does not allow {mode}")
    if mode in TRAMPOLINE_MODES and is_beyond_trampolines(case):
        answer = start(idle, case, mode, calls.pid)
        assert answer.status == 501
        reason = "by value" if case.by_value else "argument"
        assert reason in answer.json["reason"]
        return
    rows, facts = rows_of(idle, case, mode, calls)
    check(case, mode, rows, facts)


def shared_out(cases: Sequence[Case]) -> list[Any]:
    """Return the cases as parameters, some of them for the oldest kernel's machine."""
    return [
        pytest.param(case, id=case.label, marks=oldest_in_turn(number))
        for number, case in enumerate(cases)
    ]


@pytest.mark.parametrize("case", shared_out(SYSTEM_CALLS))
def test_a_system_call(case: Case, idle: Service, modes: tuple[str, ...], calls: AnyCalls) -> None:
    assert case.kind == SYSCALL
    if "tracepoint" not in modes:
        skip("this kernel does not allow tracepoints")
    rows, facts = rows_of(idle, case, "tracepoint", calls)
    check(case, "tracepoint", rows, facts)


@pytest.mark.parametrize("case", shared_out(TRACEPOINTS))
def test_a_tracepoint(case: Case, idle: Service, modes: tuple[str, ...], calls: AnyCalls) -> None:
    if "tracepoint" not in modes:
        skip("this kernel does not allow tracepoints")
    rows, facts = rows_of(idle, case, "tracepoint", calls)
    check(case, "tracepoint", rows, facts)
