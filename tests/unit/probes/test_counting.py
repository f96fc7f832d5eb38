# SPDX-License-Identifier: Apache-2.0
"""Which columns are read for what is counted, and how errors name what the caller wrote."""

from __future__ import annotations

import pytest

from app.columns.aggregate import AggregateSpec, HistogramSpec
from app.columns.column import CALLER, Column
from app.columns.expression import parse
from app.columns.plan import ENTRY, Hook, Output, Plan, Read
from app.errors import ProbedeckError
from app.probes.counting import plan_counted

DEFAULT = ("fd", "count")


class Maker:
    """Makes plans of numbers by name, and remembers the columns."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...] | None] = []

    def __call__(self, columns: tuple[str, ...] | None) -> Plan:
        self.asked.append(columns)
        names = []
        for place, text in enumerate(DEFAULT if columns is None else columns):
            expression = parse(text)
            name = expression.alias or expression.name
            if name == "nosuch":
                fault = {"field": f"columns.{place}", "message": "f has no nosuch"}
                raise ProbedeckError(422, "invalid", "no", errors=[fault])
            names.append(name)
        own = [name for name in names if name not in {column.name for column in CALLER}]
        return Plan(
            Hook("function", "f"),
            "fexit",
            True,
            tuple(Read(ENTRY, n) for n, _ in enumerate(own)),
            (),
            (
                *(Output(column, "head") for column in CALLER),
                *(
                    Output(Column(name, "uint64", name, ""), "number", (n,))
                    for n, name in enumerate(own)
                ),
            ),
            {},
        )


def test_what_is_counted_and_what_the_filter_names_is_read() -> None:
    make = Maker()
    wanted = AggregateSpec(("comm",), (("sum", "fd"),))
    plan = plan_counted(make, wanted, where="count>5 or other=3")
    assert make.asked[-1] == ("comm", "fd", "count")
    assert plan.aggregate is not None


def test_columns_of_a_preset_by_their_names() -> None:
    make = Maker()
    preset = ("cast(struct x, fd)->y as file", "count")
    plan_counted(make, AggregateSpec(("file",)), preset_columns=preset, where="count=3")
    assert make.asked == [("cast(struct x, fd)->y as file", "count")]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (AggregateSpec(("comm", "nosuch")), "aggregate.by.1"),
        (AggregateSpec((), (("max", "nosuch"),)), "aggregate.max"),
        (AggregateSpec((), (), HistogramSpec("nosuch")), "aggregate.histogram"),
    ],
)
def test_errors_are_of_what_the_caller_wrote(wanted: AggregateSpec, field: str) -> None:
    with pytest.raises(ProbedeckError) as refused:
        plan_counted(Maker(), wanted)
    assert refused.value.extra["errors"] == [{"field": field, "message": "f has no nosuch"}]
    assert refused.value.detail == f"{field}: f has no nosuch"
