# SPDX-License-Identifier: Apache-2.0
"""The columns of events, as data: each probe's description in the API lists its own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from app.columns.names import ERRORS


@dataclass(frozen=True)
class Column:
    """One column. `type` is timestamp_ns, uint32, int32, uint64, int64, bool or text.

    `names` refers to a table of app/columns/names.py, or of the probe: of a number, it names the
    values; of a text, the values are names from it. `render` is how to show a number: `hex`, or
    `name`, by its name where it has one; None is as it is.
    """

    name: str
    type: str
    title: str
    help: str
    unit: str | None = None
    nullable: bool = False
    names: str | None = None
    render: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


CALLER = (
    Column("time", "timestamp_ns", "Time", "Wall-clock time at entry to the function"),
    Column("pid", "uint32", "PID", "Process (thread group) id"),
    Column("tid", "uint32", "TID", "Thread id"),
    Column("uid", "uint32", "User", "Real user id"),
    Column("process", "text", "Process", "Process name: that of its thread group leader"),
    Column("comm", "text", "Thread", "Thread name"),
)
RESULT = (
    Column("ret", "int64", "Result", "Return value: 0, or a negative errno", names=ERRORS),
    Column("errno", "text", "Error", "Error name", nullable=True, names=ERRORS),
    Column("latency_ns", "uint64", "Latency", "Time from entry to return", unit="ns"),
)
# What joins the tests of a filter, in any case: no column may be called so.
JOINING_WORDS = ("not", "and", "or")
# Names that every row has: `probe` and `mode` say where it is from.
ALWAYS = (*(column.name for column in CALLER), "probe", "mode")
AT_RETURN = tuple(column.name for column in RESULT)  # of each row of a mode that sees the return
