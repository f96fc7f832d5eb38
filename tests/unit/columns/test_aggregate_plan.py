# SPDX-License-Identifier: Apache-2.0
"""What can be counted, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.columns.aggregate import Aggregate, AggregateSpec, Histogram, HistogramSpec, Measure
from app.columns.aggregate_plan import aggregate_columns, with_aggregate
from app.columns.column import CALLER, RESULT, Column
from app.columns.plan import ENTRY, RETURN, STRING, Hook, Output, Plan, Read, Text
from app.columns.plan import RESULT as RESULT_WORD
from app.errors import ProbedeckError

VALUES = 15
PLAN = Plan(
    Hook("function", "f"),
    "fexit",
    True,
    (
        *(Read(ENTRY, 1, offset=8 * n) for n in range(VALUES)),
        Read(RETURN, RESULT_WORD, signed=True),
    ),
    tuple(Text(STRING, Read(ENTRY, n, size=0)) for n in range(3)),
    (
        *(Output(column, "head") for column in (*CALLER, *RESULT)),
        Output(Column("count", "uint64", "count", "", "bytes"), "number", (0,)),
        Output(Column("sk", "text", "sk", ""), "sock", tuple(range(7))),
        Output(Column("other", "text", "other", ""), "sock", tuple(range(7, 14))),
        Output(Column("last", "int64", "last", ""), "number", (VALUES,)),
        *(Output(Column(f"text{n}", "text", "", ""), "text", (), (n,)) for n in range(3)),
        Output(Column("age", "int64", "age", ""), "since", (0,)),
        Output(Column("calls", "uint64", "calls", ""), "number", (1,)),
    ),
    {},
)
NAMES = [output.column.name for output in PLAN.outputs]


def test_columns_become_outputs() -> None:
    spec = AggregateSpec(
        ("comm", "count as bytes", "errno"),
        (("sum", "count"), ("max", "latency_ns")),
        HistogramSpec("last", -4, 5, 3),
        8,
        2,
    )
    plan = replace(PLAN, outputs=(*PLAN.outputs, renamed("count", "bytes")))
    counted = with_aggregate(plan, spec)
    assert counted.aggregate == Aggregate(
        (NAMES.index("comm"), len(PLAN.outputs), NAMES.index("errno")),
        (
            Measure("sum", NAMES.index("count"), "sum_count"),
            Measure("max", NAMES.index("latency_ns"), "max_latency_ns"),
        ),
        Histogram(NAMES.index("last"), -4, 3, 3),
        8,
        2,
    )
    assert Plan.from_json(counted.as_json()) == counted
    assert max(text.max_bytes for text in counted.texts) == 127
    columns = aggregate_columns(counted, counted.aggregate)
    assert [(each.name, each.type, each.unit) for each in columns] == [
        ("comm", "text", None),
        ("bytes", "uint64", "bytes"),
        ("errno", "text", None),
        ("low", "int64", None),
        ("high", "int64", None),
        ("calls", "uint64", None),
        ("sum_count", "uint64", "bytes"),
        ("max_latency_ns", "uint64", "ns"),
    ]


def renamed(name: str, other: str) -> Output:
    output = PLAN.outputs[NAMES.index(name)]
    return replace(output, column=replace(output.column, name=other))


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        (AggregateSpec(("nosuch",)), "aggregate.by.0", "nosuch is not one of the columns"),
        (AggregateSpec(("comm", "time")), "aggregate.by.1", "time has a value of its own"),
        (AggregateSpec(("age",)), "aggregate.by.0", "age has a value of its own"),
        (AggregateSpec(("comm", "comm")), "aggregate.by.1", "there is a column comm already"),
        (AggregateSpec(("calls",)), "aggregate.by.0", "there is a column calls already"),
        (AggregateSpec(("sk", "other", "uid")), "aggregate.by.2", "uid is too much to group by"),
        (AggregateSpec(("text0", "text1", "text2")), "aggregate.by.2", "text2 is too much"),
        (AggregateSpec((), (("sum", "comm"),)), "aggregate.sum", "comm is not a number"),
        (AggregateSpec((), (("avg", "errno"),)), "aggregate.avg", "errno is not a number"),
        (AggregateSpec((), (), HistogramSpec("sk")), "aggregate.histogram", "sk is not a number"),
        (
            AggregateSpec((), (), HistogramSpec("count", 0, 5000, 1)),
            "aggregate.histogram",
            "from, to and step make 5000 buckets; 1 to 1000 are possible",
        ),
    ],
)
def test_what_cannot_be_counted(spec: AggregateSpec, field: str, message: str) -> None:
    with pytest.raises(ProbedeckError) as refused:
        with_aggregate(PLAN, spec)
    (fault,) = refused.value.extra["errors"]
    assert (refused.value.status, fault["field"]) == (422, field)
    assert fault["message"].startswith(message)


def test_two_sockets_fit() -> None:
    assert with_aggregate(PLAN, AggregateSpec(("sk", "other"))).aggregate is not None


def test_a_spec_as_it_is_shown() -> None:
    spec = AggregateSpec(("a", "b"), (("sum", "c"), ("sum", "d")), HistogramSpec("a", 1, 9, 2))
    assert spec.columns() == ("a", "b", "c", "d")
    assert spec.as_json() == {
        "by": ["a", "b"],
        "count": True,
        "sum": ["c", "d"],
        "histogram": {"of": "a", "from": 1, "to": 9, "step": 2},
        "groups": 1024,
        "top": 100,
    }
