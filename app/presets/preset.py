# SPDX-License-Identifier: Apache-2.0
"""What a preset is: a question, and the candidates that answer it on one kernel or another."""

from __future__ import annotations

from dataclasses import dataclass

FUNCTION, SYSCALL, TRACEPOINT = "function", "syscall", "tracepoint"

DEFAULT_PRESET = "deletions"  # what a mode traces without a target

# The best first: those that see the return, unless the answer is known at entry.
AT_RETURN = ("fexit", "kretprobe")
AT_ENTRY = ("fentry", "kprobe")
BY_TRACEPOINT = ("tracepoint",)
# In the order in which the modes are listed everywhere.
ALL_MODES = ("fentry", "fexit", "kprobe", "kretprobe", "tracepoint")

# What several presets do not see: in modes at entry, by a system call, by any target.
RESULTS = "Results: a call is shown before it succeeds or fails."
CALLS_OF_32_BITS = "System calls of 32-bit programs."
SECCOMP = "Calls that seccomp refuses: the kernel goes no further with them."


@dataclass(frozen=True)
class Candidate:
    """One way to answer a preset's question.

    `name` is a function, a system call (`openat`) or a tracepoint (`sched:sched_process_exec`).
    `columns` are expressions (`as` names them), `where` a filter over the columns or None.
    `modes` are those that it suits, the best first. `needs` are members that the expressions use
    and that not every kernel has: `request.rq_disk` of a struct, `sched:sched_process_exit.prio`
    of a tracepoint. `not_seen` are sentences: what it does not show of what the question asks for.
    """

    kind: str
    name: str
    columns: tuple[str, ...]
    modes: tuple[str, ...]
    where: str | None = None
    needs: tuple[str, ...] = ()
    not_seen: tuple[str, ...] = ()

    def not_seen_in(self, mode: str) -> tuple[str, ...]:
        """Return what it does not show in a mode: at entry, of calls whose result matters, that."""
        is_early = mode in AT_ENTRY and self.modes[0] in AT_RETURN
        return (RESULTS, *self.not_seen) if is_early else self.not_seen


@dataclass(frozen=True)
class Preset:
    """A question with a name. `help` is one sentence; `candidates` are tried in order.

    With `has_own_programs` it is started by programs that are written for it, which show more
    than its candidates say (docs/presets.md).
    """

    name: str
    title: str
    help: str
    candidates: tuple[Candidate, ...]
    has_own_programs: bool = False
