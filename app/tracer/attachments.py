# SPDX-License-Identifier: Apache-2.0
"""Attaching a mode's programs, each to the hook that its name says (bpf/*.c)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.kernel.traced_calls import DELETION_SYSCALLS, RENAME_SYSCALLS
from app.linux import tracefs
from app.tracer.loader import LoadedObject

# In this order: exits of threads before returns, and returns before entries, so that whatever is
# seen to begin is also seen to end.
_RETURNS_FIRST = ("raw_tracepoint__", "kretfunc__", "kretprobe__", "on_return", "on_exit")


def attach(programs: LoadedObject, mode: str, function: str) -> None:
    """Attach all programs; raises OSError."""
    names = attach_order(programs.program_names())
    for name in names:
        if name.startswith("raw_tracepoint__"):
            programs.attach_raw_tracepoint(name, name.removeprefix("raw_tracepoint__"))
    if mode in ("fentry", "fexit"):
        for name in names:
            if name.startswith(("kfunc__", "kretfunc__")):
                programs.attach_tracing(name)
    elif names == ["on_entry"]:  # a single kprobe needs no tracefs
        programs.attach_kprobe("on_entry", function, at_return=False)
    else:
        with tracefs.opened() as folder:
            if mode in ("kprobe", "kretprobe"):
                _attach_kprobes(programs, names, function, folder)
            else:
                _attach_syscalls(programs, folder)


def attach_order(programs: Sequence[str]) -> list[str]:
    """Return the programs in the order in which to attach them."""
    return sorted(programs, key=_rank)


def _rank(program: str) -> int:
    ranks = (rank for rank, start in enumerate(_RETURNS_FIRST) if program.startswith(start))
    return next(ranks, len(_RETURNS_FIRST))


def _attach_kprobes(
    programs: LoadedObject, names: Sequence[str], function: str, folder: Path
) -> None:
    functions = {name: name.partition("probe__")[2] or function for name in names}
    returns = [name for name in names if name.startswith(("on_return", "kretprobe__"))]
    programs.attach_kretprobes({name: functions[name] for name in returns}, folder)
    for name in names:
        if name.startswith(("on_entry", "kprobe__")):
            programs.attach_kprobe(name, functions[name], at_return=False)


def _attach_syscalls(programs: LoadedObject, folder: Path) -> None:
    calls = DELETION_SYSCALLS + RENAME_SYSCALLS
    for call in calls:
        programs.attach_tracepoint("on_exit", folder, "syscalls", f"sys_exit_{call}")
    for call in calls:
        programs.attach_tracepoint(f"on_enter_{call}", folder, "syscalls", f"sys_enter_{call}")
