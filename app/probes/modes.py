# SPDX-License-Identifier: Apache-2.0
"""The five modes: what each attaches to, the C source it is made of, the columns it yields."""

from __future__ import annotations

from dataclasses import dataclass

from app.columns.column import ARGUMENTS, CALLER, FLAGS, REPLACED, RESULT, SYSCALL, Column


@dataclass(frozen=True)
class Mode:
    """One way to trace. `sees_return` modes emit once, at the call's return."""

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

# The order in which "the best mode this kernel allows" is looked for: with the result
# before without, cheaper before dearer.
PREFERENCE = ("fexit", "kretprobe", "tracepoint", "fentry", "kprobe")

# Resolved on the running kernel, first found first. Linux 7.0 replaced do_unlinkat by
# filename_unlinkat(int dfd, struct filename *).
DELETION_FUNCTIONS = ("filename_unlinkat", "do_unlinkat")
DELETION_SYSCALLS = ("unlink", "unlinkat", "rmdir")
# A rename deletes the file that has the new name. `filename_renameat2` since Linux 7.0.
RENAME_FUNCTIONS = ("filename_renameat2", "do_renameat2")
RENAME_SYSCALLS = ("rename", "renameat", "renameat2")
