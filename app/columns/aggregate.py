# SPDX-License-Identifier: Apache-2.0
"""Aggregates: calls counted in the kernel by the values of columns, instead of a row for each.

A group is all calls with the same values of up to MAX_BY columns. Beside their number, it has
measures of other columns; with a histogram, a group is divided into buckets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SUM, MINIMUM, MAXIMUM, AVERAGE = "sum", "min", "max", "avg"
KINDS = (SUM, MINIMUM, MAXIMUM, AVERAGE)
MAX_BY = 3
MAX_MEASURES = 4
MAX_BUCKETS = 1000  # of equal steps
MAX_GROUPS = 16384
DEFAULT_GROUPS = 1024
MAX_TOP = 1000
DEFAULT_TOP = 100
CALLS, LOW, HIGH = "calls", "low", "high"  # columns of every aggregate; of those with a histogram


@dataclass(frozen=True)
class HistogramSpec:
    """A histogram of a column: by powers of two, or by equal steps from `low` to below `high`.

    Of equal steps there are two more buckets, for what is below and above.
    """

    of: str
    low: int | None = None
    high: int | None = None
    step: int | None = None


@dataclass(frozen=True)
class AggregateSpec:
    """What a caller asks for; columns are expressions (docs/columns.md).

    `groups` are the most that each processor counts, `top` how many of them are shown, those with
    the most calls first.
    """

    by: tuple[str, ...] = ()
    measures: tuple[tuple[str, str], ...] = ()  # kind and column
    histogram: HistogramSpec | None = None
    groups: int = DEFAULT_GROUPS
    top: int = DEFAULT_TOP

    def columns(self) -> tuple[str, ...]:
        """Return the expressions of all columns that it needs, each once."""
        histogram = () if self.histogram is None else (self.histogram.of,)
        return tuple(
            dict.fromkeys((*self.by, *(column for _, column in self.measures), *histogram))
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as in a request."""
        found: dict[str, Any] = {"by": list(self.by), "count": True}
        for kind in KINDS:
            if columns := [column for each, column in self.measures if each == kind]:
                found[kind] = columns
        if (histogram := self.histogram) is not None:
            bounds = {"from": histogram.low, "to": histogram.high, "step": histogram.step}
            given = {name: value for name, value in bounds.items() if value is not None}
            found["histogram"] = {"of": histogram.of, **given}
        return {**found, "groups": self.groups, "top": self.top}


@dataclass(frozen=True)
class Measure:
    """A measure of a plan's output. Its column is `name`."""

    kind: str
    output: int
    name: str


@dataclass(frozen=True)
class Histogram:
    """A histogram of a plan's output. With `step` 0 it is by powers of two."""

    output: int
    low: int = 0
    step: int = 0
    buckets: int = 0


@dataclass(frozen=True)
class Aggregate:
    """What a plan's programs count, by the numbers of the plan's outputs."""

    by: tuple[int, ...]
    measures: tuple[Measure, ...]
    histogram: Histogram | None
    groups: int
    top: int

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Aggregate:
        """Return the aggregate of `asdict`; raises KeyError, TypeError or ValueError for others."""
        histogram = members["histogram"]
        return cls(
            by=tuple(members["by"]),
            measures=tuple(Measure(**each) for each in members["measures"]),
            histogram=None if histogram is None else Histogram(**histogram),
            groups=members["groups"],
            top=members["top"],
        )
