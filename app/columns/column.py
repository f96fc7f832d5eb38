# SPDX-License-Identifier: Apache-2.0
"""The columns of a probe's rows, as data: they travel with the stream and are listed by the API."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from app.columns.names import ERRORS


@dataclass(frozen=True)
class Column:
    """One column. `type` is timestamp_ns, uint32, int32, uint64, int64 or text.

    `names` is the table (app/columns/names.py) that names its values, or whose
    names are its values.
    """

    name: str
    type: str
    title: str
    help: str
    unit: str | None = None
    nullable: bool = False
    names: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


CALLER = (
    Column("time", "timestamp_ns", "Time", "Wall-clock time at the function's entry"),
    Column("pid", "uint32", "PID", "Process (thread group) id"),
    Column("tid", "uint32", "TID", "Thread id"),
    Column("uid", "uint32", "User", "Real user id"),
    Column("process", "text", "Process", "Name of the process: of its thread group's leader"),
    Column("comm", "text", "Thread", "Name of the thread"),
)
SYSCALL = (
    Column(
        "syscall",
        "text",
        "Call",
        "System call: unlink, unlinkat, rmdir, rename, renameat or renameat2",
    ),
)
ARGUMENTS = (
    Column("dfd", "int32", "Dir fd", "Directory descriptor; -100 is AT_FDCWD"),
    Column(
        "filename",
        "text",
        "File",
        "Name as passed to the call (of a rename, the new one); null when the kernel could not "
        "read it",
        nullable=True,
    ),
)
REPLACED = (
    Column(
        "replaced",
        "text",
        "Replaced",
        "Of a rename, whether a file had the new name: yes, or unknown where the mode cannot tell; "
        "null for other calls",
        nullable=True,
    ),
)
FLAGS = (
    Column(
        "flags",
        "text",
        "Flags",
        "Flags of the call by name: AT_REMOVEDIR for a directory, RENAME_*; null without any",
        nullable=True,
    ),
)
RESULT = (
    Column("ret", "int64", "Result", "Return value: 0, or a negative errno", names=ERRORS),
    Column("errno", "text", "Error", "Name of the error", nullable=True, names=ERRORS),
    Column("latency_ns", "uint64", "Latency", "Time from entry to return", unit="ns"),
)
