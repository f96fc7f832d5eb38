# SPDX-License-Identifier: Apache-2.0
"""The five modes: what each attaches to, whether it sees results, and its columns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from app.columns.column import (
    ARGUMENTS,
    CALLER,
    FLAGS,
    PATH,
    REPLACED,
    RESULT,
    SYSCALL,
    Column,
)


@dataclass(frozen=True)
class Mode:
    """One way to trace. With `sees_return` it emits one event per call, at the call's return.

    `call` are the columns of deletions between those of the caller and of the result, which can be
    chosen. `path` is not among those shown otherwise, as reading it costs more than all the rest.
    """

    name: str
    summary: str
    sees_return: bool
    call: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Those that are shown if none are chosen."""
        return self.chosen(None)

    def chosen(self, names: Collection[str] | None) -> tuple[Column, ...]:
        """Return the columns with these of the call, in the usual order."""
        wanted = [each for each in self.call if _is_wanted(each, names)]
        return (*CALLER, *wanted, *(RESULT if self.sees_return else ()))


def _is_wanted(column: Column, names: Collection[str] | None) -> bool:
    return column.name != PATH_COLUMN if names is None else column.name in names


PATH_COLUMN = PATH[0].name
_CALL = ARGUMENTS + PATH + REPLACED

MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("fentry", "BPF trampoline at entry", False, _CALL),
        Mode("fexit", "BPF trampoline at entry and exit", True, _CALL),
        Mode("kprobe", "kprobe at entry", False, _CALL),
        Mode("kretprobe", "kprobe and kretprobe", True, _CALL),
        Mode(
            "tracepoint",
            "system call tracepoints of unlink, unlinkat, rmdir and renames",
            True,
            SYSCALL + FLAGS + _CALL,
        ),
    )
}

# From the most to the least preferred: modes that see results first, then by lower cost.
PREFERENCE = ("fexit", "kretprobe", "tracepoint", "fentry", "kprobe")
