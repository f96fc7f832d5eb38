# SPDX-License-Identifier: Apache-2.0
"""What of a filter the kernel tests: the cases again, as records; and what stays in the service."""

from __future__ import annotations

import json

import pytest

from app.columns.column import Column
from app.columns.plan import ENTRY, RETURN, STRING, Hook, Output, Plan, Read, Text
from app.filters import FilterFault, KernelFilter, Split, row_filter, split
from app.filters.kernel_filter import (
    COMM,
    EQUAL,
    MAX_CLAUSES,
    MAX_TESTS,
    PREFIX,
    SUFFIX,
    NumberTest,
    TextTest,
    evaluate_record,
)
from tests.support.filter_cases import MODE, TABLES, pack, plan_of

PLANS = {name: plan_of(table.columns, table.tables) for name, table in TABLES.items()}
# The rows of a probe that has all columns; to another's plan, a filter may be invalid.
ROWS = {
    name: [i for i, row in enumerate(table.rows) if all(c.name in row for c in table.columns)]
    for name, table in TABLES.items()
}


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [(name, *case) for name, table in TABLES.items() for case in table.passes],
)
def test_kernel_and_service_together_pass_what_the_filter_passes(
    name: str, text: str, rows: list[int]
) -> None:
    table, plan = TABLES[name], PLANS[name]
    parts = split(text, plan, table.users.get)
    kernel = parts.kernel or KernelFilter()
    assert parts.rest == table.rests[text]
    assert len(kernel.tests) <= MAX_TESTS and len(kernel.clauses) <= MAX_CLAUSES
    assert [test.phase for test in kernel.tests] == sorted(test.phase for test in kernel.tests)
    assert KernelFilter.from_json(json.loads(json.dumps(kernel.as_json()))) == kernel
    rest = row_filter(parts.rest or "", table.vocabulary)
    passed = []
    for index in ROWS[name]:
        row = table.rows[index]
        if evaluate_record(kernel, *pack(row, plan)) and (rest is None or rest(row)):
            passed.append(index)
    assert passed == [index for index in rows if index in ROWS[name]]


def test_most_cases_run_in_the_kernel_as_a_whole() -> None:
    """So that the test above tests the kernel's part."""
    table = TABLES["typed"]
    whole = [
        text for text, _ in table.passes if not split(text, PLANS["typed"], table.users.get).rest
    ]
    assert len(whole) > 0.75 * len(table.passes)


@pytest.mark.parametrize("case", TABLES["typed"].faults, ids=lambda case: case["filter"])
def test_an_invalid_filter_has_the_same_fault(case: dict[str, str]) -> None:
    with pytest.raises(FilterFault) as raised:
        split(case["filter"], PLANS["typed"])
    assert case["message"] in raised.value.message


PLAN = Plan(
    Hook("function", "vfs_read"),
    MODE,
    True,
    (Read(ENTRY, 1), Read(RETURN, 2), Read(ENTRY, 3), Read(ENTRY, 12)),
    (Text(STRING, Read(ENTRY, 1)), Text(STRING, Read(RETURN, 1), 16)),
    (
        Output(Column("pid", "uint32", "PID", ""), "head"),
        Output(Column("tid", "uint32", "TID", ""), "head"),
        Output(Column("uid", "uint32", "User", ""), "head"),
        Output(Column("cpu", "uint32", "CPU", ""), "head"),
        Output(Column("comm", "text", "Thread", ""), "head"),
        Output(Column("time", "timestamp_ns", "Time", ""), "head"),
        Output(Column("ret", "int64", "Result", "", names="errors"), "head"),
        Output(Column("latency_ns", "uint64", "Latency", "", unit="ns"), "head"),
        Output(Column("count", "uint64", "Count", ""), "number", (0,)),
        Output(Column("small", "int32", "Small", ""), "number", (1,)),
        Output(Column("why", "text", "Why", "", names="errors"), "error", (3,)),
        Output(Column("dev", "text", "Device", ""), "device", (2,)),
        Output(Column("path", "text", "Path", ""), "text", texts=(0,)),
        Output(Column("label", "text", "Label", ""), "text", texts=(1,)),
        Output(Column("kind", "uint32", "Kind", ""), "name", (2,), names=((4, "FOUR"),)),
    ),
    {},
)
W = 2**64 - 1


@pytest.mark.parametrize(
    ("text", "test"),
    [
        ("pid=5", NumberTest(0, 24, 32, 32, False, 5, 5)),
        ("tid>=5", NumberTest(0, 24, 0, 32, False, 5, 2**32 - 1)),
        ("uid=0", NumberTest(0, 32, 32, 32, False, 0, 0)),
        ("cpu<2", NumberTest(0, 32, 0, 32, False, 0, 1)),
        ("ret<0", NumberTest(3, 16, 0, 0, True, -(2**63), -1)),
        ("ret=ENOENT", NumberTest(3, 16, 0, 0, True, -2, -2)),
        ("latency>1ms", NumberTest(3, 8, 0, 0, False, 1_000_001, W)),
        ("count=10..20", NumberTest(1, 96, 0, 0, False, 10, 20)),
        ("small<=-3", NumberTest(3, 104, 32, 32, True, -(2**31), -3)),
        ("why=ENOENT", NumberTest(1, 120, 0, 0, True, -2, -2)),
        ("why~*", NumberTest(1, 120, 0, 0, True, -4095, -1)),
        ("kind=four", NumberTest(1, 112, 32, 32, False, 4, 4)),
        ("comm=rm", TextTest(0, COMM, EQUAL, b"rm")),
        ("comm=r*", TextTest(0, COMM, PREFIX, b"r")),
        ("path=/tmp/*", TextTest(2, 0, PREFIX, b"/tmp/")),
        ("path=*.log", TextTest(2, 0, SUFFIX, b".log")),
        ("path~*/", TextTest(2, 0, SUFFIX, b"/")),
        ("path~*", TextTest(2, 0, PREFIX, b"")),
        ('path="a*b"', TextTest(2, 0, EQUAL, b"a*b")),
        ("label=abc", TextTest(3, 1, EQUAL, b"abc")),
        ("label=*.log", TextTest(3, 1, SUFFIX, b".log")),
        ("label=0123456789abcde*", TextTest(3, 1, PREFIX, b"0123456789abcde")),
    ],
)
def test_one_test(text: str, test: NumberTest | TextTest) -> None:
    parts = split(text, PLAN)
    assert parts.rest is None
    assert parts.kernel == KernelFilter((test,), ((1, 1),))
    negated = split(f"not {text}", PLAN)
    assert negated.kernel == KernelFilter((test,), ((1, 0),))


@pytest.mark.parametrize(
    "text",
    [
        "rm",
        "time>2026-11-22T10:00Z",
        "mode=fexit",
        "dev=8:1",
        "path~/tmp/*",  # ignores case
        "path=/tmp/?",
        "path=/a*b",
        "path=*abc",  # may be the end of \xea or the like
        "path=…*",
        f"path={'x' * 65}",
        "why~*T",  # too many intervals
        "uid in (1, 3, 5, 7, 9, 11, 13, 15, 17)",
    ],
)
def test_what_stays_in_the_service(text: str) -> None:
    assert split(text, PLAN) == Split(None, text)
    mixed = split(f"pid=5 ({text}) or pid=6", PLAN)
    assert (mixed.kernel, mixed.rest) == (None, f"pid=5 ({text}) or pid=6")
    apart = split(f"pid=5 ({text}) ret<0", PLAN)
    assert apart.rest == f"({text})"
    assert apart.kernel is not None
    assert apart.kernel.clauses == ((3, 3),)


def test_what_never_passes_and_what_always_passes() -> None:
    nothing = split("pid=1 pid!=1", PLAN).kernel
    assert nothing is not None
    record = bytes(96 + 8 * 4)
    for fixed in (record, b"\xff" * len(record)):
        assert not evaluate_record(nothing, fixed, [None, None])
    assert split("pid=1 or pid!=1", PLAN).kernel is None
    assert split("pid<0", PLAN).kernel == nothing
    assert split("not pid<0", PLAN).kernel is None


def test_tests_are_shared_and_ordered_by_phase() -> None:
    parts = split("(ret<0 or path=/x) (ret<0 or comm=rm)", PLAN)
    assert parts.kernel is not None
    assert [test.phase for test in parts.kernel.tests] == [0, 2, 3]
    assert set(parts.kernel.clauses) == {(4, 4), (3, 3)}


def test_sixteen_tests_and_no_more() -> None:
    sixteen = "pid not in (" + ",".join(str(2 * i) for i in range(16)) + ")"
    parts = split(f"{sixteen} ret<0", PLAN)
    assert parts.kernel is not None and len(parts.kernel.tests) == 16
    assert parts.rest == "ret<0"


def test_a_later_part_with_a_fault_is_refused() -> None:
    with pytest.raises(FilterFault, match="no column"):
        split("rm or (path~x or nowhere=1)", PLAN)
