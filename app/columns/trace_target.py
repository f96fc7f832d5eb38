# SPDX-License-Identifier: Apache-2.0
"""What to trace, and the columns wanted: from a preset or a request, before any BTF is read."""

from __future__ import annotations

from dataclasses import dataclass

FUNCTION, SYSCALL, TRACEPOINT = "function", "syscall", "tracepoint"
FUNCTIONS = "functions"
KINDS = (FUNCTION, SYSCALL, TRACEPOINT, FUNCTIONS)


@dataclass(frozen=True)
class Target:
    """A kernel function, a system call (`openat`) or a tracepoint (`sched:sched_switch`).

    `columns` are expressions (docs/columns.md); None for each argument and the return value.
    `module` is that of a function whose types are in a module's BTF, and `function_id` its number
    there; 0 to search for it. One that is known to exist and that no BTF describes
    `is_undescribed`: kprobes need none. `functions` are the names of several.
    """

    kind: str
    name: str
    columns: tuple[str, ...] | None = None
    module: str | None = None
    function_id: int = 0
    is_undescribed: bool = False
    functions: tuple[str, ...] = ()
