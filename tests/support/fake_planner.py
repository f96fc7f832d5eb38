# SPDX-License-Identifier: Apache-2.0
"""A fake of app.probes.planning.Planner: it knows a few names, and no kernel."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from app.columns.column import CALLER, Column
from app.columns.plan import CONTEXT, PROGRAMS, Hook, Output, Plan, Read
from app.errors import ProbedeckError, invalid
from app.presets.deletions.own_plan import own_plan
from app.probes.modes import PREFERENCE
from app.probes.planning import Other, Resolved, modes_of
from app.probes.spec import (
    DEFAULT_TARGET,
    FUNCTION,
    FUNCTIONS,
    PRESET,
    SYSCALL,
    TRACEPOINT,
    Target,
    Where,
)

KNOWN = {
    FUNCTION: ("vfs_read", "vfs_write", "only_by_kprobe"),
    SYSCALL: ("openat",),
    TRACEPOINT: ("sched:sched_switch",),
    FUNCTIONS: ("vfs_*",),
}
PRESETS = {"reads": (Target(FUNCTION, "vfs_read"), ("count", "state"), "count>1")}
NOT_SEEN = ("Reads by others.",)
PATH_OFFSETS = {"TASK_FS": 8}
STATES = ((0, "RUNNING"), (1, "SLEEPING"))


class FakePlanner:
    """Plans of the columns that are asked for; a `where` with `glob` is not for the kernel."""

    def __init__(self) -> None:
        self.planned: list[tuple[Target, str]] = []

    def resolve(self, preset: str, mode: str | None, working: Collection[str]) -> Resolved:
        if preset == DEFAULT_TARGET.name:
            best = next(iter(working), PREFERENCE[0])
            return Resolved(Target(PROGRAMS, preset), mode or best, None, None)
        if preset not in PRESETS:
            raise invalid("preset", f"Unknown preset. Known: {', '.join(PRESETS)}.")
        target, columns, where = PRESETS[preset]
        best = next((each for each in modes_of(target) if each in working), "fexit")
        return Resolved(target, mode or best, columns, where, NOT_SEEN)

    def make_plan(self, target: Target, mode: str, columns: tuple[str, ...] | None) -> Plan:
        if target.kind == PROGRAMS:
            return own_plan(
                target.name, mode, columns, lambda wants_path: PATH_OFFSETS if wants_path else {}
            )
        if target.name not in KNOWN[target.kind]:
            near = difflib.get_close_matches(target.name, KNOWN[target.kind], n=1)
            raise invalid(target.kind, f"Unknown {target.kind}. Near: {', '.join(near)}.")
        if target.name == "only_by_kprobe" and mode not in ("kprobe", "kretprobe"):
            reason = "it is not in the kernel's BTF"
            raise ProbedeckError(501, "unavailable", f"{mode}: {reason}", reason=reason, hint="-")
        for index, text in enumerate(columns or ()):
            if not text.isidentifier():
                raise invalid(f"columns.{index}", f"Invalid expression {text!r}.")
        self.planned.append((target, mode))
        names = columns if columns is not None else ("count",)
        made = [
            Output(
                Column(name, "int64", name, "", names=name if name == "state" else None),
                "number",
                (0,),
                names=STATES if name == "state" else (),
            )
            for name in names
        ]
        caller = [Output(column, "head") for column in CALLER]
        return Plan(
            Hook(target.kind, target.name.rpartition(":")[2]),
            mode,
            sees_return=mode in ("fexit", "kretprobe") or target.kind == SYSCALL,
            values=(Read("entry", CONTEXT),),
            texts=(),
            outputs=(*caller, *made),
            kernel_offsets={},
        )

    def others(self, target: Target, working: Collection[str]) -> list[Other]:
        return [
            Other(preset, f"instead of {target.name}")
            for name, (traced, _, _) in PRESETS.items()
            if traced == target and (preset := Target(PRESET, name)) != target
        ]

    def not_seen(self, _target: Target, _mode: str) -> tuple[str, ...]:
        return ()

    def compile_where(self, text: str, _plan: Plan) -> Where:
        if text.startswith("!"):
            raise invalid("where", "Unexpected '!' at 1.")
        if "glob" in text:
            return Where(text, None, text)
        return Where(text, {"tests": [{"text": text}], "clauses": [[1, 1]]})
