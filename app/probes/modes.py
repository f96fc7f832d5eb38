# SPDX-License-Identifier: Apache-2.0
"""The five modes: what each attaches to, whether it sees results, and its columns."""

from __future__ import annotations

from dataclasses import dataclass

from app.columns.column import ARGUMENTS, CALLER, FLAGS, REPLACED, RESULT, SYSCALL, Column


@dataclass(frozen=True)
class Mode:
    """One way to trace. With `sees_return` it emits one event per call, at the call's return."""

    name: str
    summary: str
    sees_return: bool
    columns: tuple[Column, ...]


_CALL = CALLER + ARGUMENTS + REPLACED

MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("fentry", "BPF trampoline at entry", False, _CALL),
        Mode("fexit", "BPF trampoline at entry and exit", True, _CALL + RESULT),
        Mode("kprobe", "kprobe at entry", False, _CALL),
        Mode("kretprobe", "kprobe and kretprobe", True, _CALL + RESULT),
        Mode(
            "tracepoint",
            "system call tracepoints of unlink, unlinkat, rmdir and renames",
            True,
            CALLER + SYSCALL + FLAGS + ARGUMENTS + REPLACED + RESULT,
        ),
    )
}

# From the most to the least preferred: modes that see results first, then by lower cost.
PREFERENCE = ("fexit", "kretprobe", "tracepoint", "fentry", "kprobe")
