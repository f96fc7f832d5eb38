# SPDX-License-Identifier: Apache-2.0
"""From a target that a caller names to a plan, in a mode that this kernel allows.

The names of a request go no further than here: a plan has names from the kernel's own lists only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from app.columns.aggregate import AggregateSpec
from app.columns.plan import PROGRAMS, Plan
from app.errors import ProbedeckError, invalid
from app.probes.counting import plan_counted
from app.probes.modes import MODES, PREFERENCE
from app.probes.spec import (
    DEFAULT_TARGET,
    FUNCTIONS,
    MODES_OF_KIND,
    PRESET,
    Filter,
    ProbeSpec,
    Target,
    Where,
)

# A plan is one line to the tracer, which one buffer of the socket must take whole
# (app.probes.tracer_process). The names of enumerators are most of a long one.
MAX_PLAN_BYTES = 64 * 1024
MAX_OTHERS = 12  # targets that are planned to find out whether they can be offered
_WORD = re.compile(r"\w+")
# By all names that a filter may use.
_AT_RETURN = {"ret", "result", "errno", "error", "latency_ns", "latency"}
# What symbols, events and modules are called (scripts/kallsyms.c, kernel/trace/trace_probe.h).
_KERNEL_NAME = re.compile(r"[A-Za-z0-9_.$][A-Za-z0-9_.$-]{0,510}", re.ASCII)

PROBE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}", re.ASCII)
NAME_RULE = (
    "Use 1 to 32 lower-case letters, digits, '.', '_' or '-', beginning with a letter or a digit."
)


@dataclass(frozen=True)
class Resolved:
    """What a preset traces here: a target that is not a preset, in a mode that suits it."""

    target: Target
    mode: str
    columns: tuple[str, ...] | None
    where: str | None
    not_seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Other:
    """Something that can be traced instead, and what is different about it."""

    target: Target
    note: str

    def as_json(self) -> dict[str, str]:
        return {"kind": self.target.kind, "name": self.target.name, "note": self.note}


class Planner(Protocol):
    """Knows the kernel's types, functions and tracepoints. Called from any thread.

    Every method raises ProbedeckError: 422 `invalid` with `errors` by field (`function`, `syscall`,
    `tracepoint`, `preset`, `columns.0`, `where`) for what the caller should correct, and 501
    `unavailable` with `reason` and `hint` for what this kernel does not allow.
    """

    def resolve(self, preset: str, mode: str | None, working: Collection[str]) -> Resolved:
        """Return what a preset is on this kernel in this mode; None: the best that is `working`,
        of which the preferred come first.

        Its target is not a preset, and its mode need not work.
        """

    def make_plan(self, target: Target, mode: str, columns: tuple[str, ...] | None) -> Plan:
        """Return the plan for a target, which is not a preset, in this mode."""

    def not_seen(self, target: Target, mode: str) -> tuple[str, ...]:
        """Return sentences: which of several functions are not traced in this mode, and why."""

    def others(self, target: Target, working: Collection[str]) -> list[Other]:
        """Return what answers the same question as a target in the modes that are `working`: its
        system call or function, what the compiler made of it, presets. At most `MAX_OTHERS`.
        """

    def compile_where(self, text: str, plan: Plan) -> Where:
        """Return a filter of a plan's columns, split between the kernel and the service."""


@dataclass(frozen=True)
class Prepared:
    """A spec whose mode is chosen, with the plan and the filter that its tracer gets.

    `possible` are all modes that could trace the target's kind, `not_seen` what a preset does not
    show in this one.
    """

    spec: ProbeSpec
    mode: str
    possible: tuple[str, ...]
    plan: Plan
    where: Where
    not_seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Columns:
    """Other columns of a running probe: expressions as in `ProbeSpec`, their plan, and the filters
    that are active with them.
    """

    expressions: tuple[str, ...] | None
    plan: Plan
    where: Where
    filter: Filter


def prepare(planner: Planner, probe_id: str, spec: ProbeSpec, working: list[str]) -> Prepared:
    """Choose the mode of a probe and plan it; `working` are the modes that this kernel allows.

    A mode that the caller asked for is planned even if it is not among them. Raises ProbedeckError
    as the planner does; a 501 has `alternatives` (`add_alternatives`).
    """
    if probe_id in MODES:
        if spec.mode not in (None, probe_id):
            raise invalid("mode", f"Must be {probe_id}, like the probe; or give it another name.")
        target = None if spec.target == DEFAULT_TARGET else spec.target
        spec = replace(spec, mode=probe_id, target=target)
    elif spec.target is None:
        raise invalid("function", f"{probe_id} needs one of: {', '.join(MODES_OF_KIND)}.")
    else:
        check_name(probe_id)
    try:
        return _plan(planner, spec, working)
    except ProbedeckError as error:
        if error.status == 501:
            add_alternatives(error, planner, spec, working, spec.mode)
        raise


def _plan(planner: Planner, spec: ProbeSpec, working: list[str]) -> Prepared:
    asked, columns, text = spec.mode, spec.columns, spec.where
    if spec.aggregate is not None and columns is not None:
        raise invalid("columns", "An aggregate has the columns that it counts by.")
    target = spec.target or DEFAULT_TARGET
    not_seen: tuple[str, ...] = ()
    if target.kind == PRESET:
        found = planner.resolve(target.name, asked, working)
        target, asked, not_seen = found.target, found.mode, found.not_seen
        columns = found.columns if columns is None else columns
        text = found.where if text is None else text
    possible = modes_of(target)
    modes = [mode for mode in possible if mode in working]
    if spec.aggregate is not None and not _needs_return(spec, spec.aggregate, text):
        modes.sort(key=lambda mode: MODES[mode].sees_return)  # it costs more

    def make(mode: str) -> Plan:
        if spec.aggregate is None:
            return _checked(planner.make_plan(target, mode, columns), mode)
        counted = plan_counted(
            lambda wanted: planner.make_plan(target, mode, wanted),
            spec.aggregate,
            preset_columns=columns,
            where=text,
        )
        return _checked(counted, mode)

    if asked is None:
        mode, plan = _best(modes or possible, make)
    elif asked in possible:
        mode, plan = asked, make(asked)
    else:
        names = ", ".join(possible)
        raise invalid("mode", f"A {target.kind} can be traced in: {names}.")
    shown = columns if spec.aggregate is None else None
    started = replace(spec, mode=mode, columns=shown, where=text)
    not_seen = not_seen or planner.not_seen(target, mode)
    return Prepared(started, mode, possible, plan, compiled(planner, text, plan), not_seen)


def replan(
    planner: Planner,
    spec: ProbeSpec,
    mode: str,
    columns: tuple[str, ...] | None,
    working: list[str],
) -> tuple[tuple[str, ...] | None, Plan]:
    """Return other columns of a probe that runs in a mode, and their plan; None are the default.

    Raises ProbedeckError as `prepare` does.
    """
    target = spec.target or DEFAULT_TARGET
    try:
        if target.kind == PRESET:
            found = planner.resolve(target.name, mode, working)
            target = found.target
            columns = found.columns if columns is None else columns
        return columns, _checked(planner.make_plan(target, mode, columns), mode)
    except ProbedeckError as error:
        if error.status == 501:
            add_alternatives(error, planner, replace(spec, columns=columns), working, mode)
        raise


def modes_of(target: Target) -> tuple[str, ...]:
    """Return the modes that can trace targets of this kind, the preferred first."""
    if target.kind == PROGRAMS:
        return PREFERENCE
    return tuple(mode for mode in PREFERENCE if mode in MODES_OF_KIND[target.kind])


def check_name(name: str) -> None:
    """Raises ProbedeckError 422 for a name that no probe may have."""
    if not PROBE_NAME.fullmatch(name):
        raise invalid("id", f"Invalid name of a probe {name[:64]!r}. {NAME_RULE}")


def compiled(planner: Planner, text: str | None, plan: Plan) -> Where:
    """Return a filter as the tracer needs it. Raises ProbedeckError 422."""
    if text is None:
        return Where()
    where = planner.compile_where(text, plan)
    if plan.aggregate is not None and where.in_service is not None:
        raise invalid(
            "where",
            f"The kernel cannot test `{where.in_service}`, and calls are counted there: leave it "
            "out, or show each call.",
        )
    return where


def _needs_return(spec: ProbeSpec, wanted: AggregateSpec, where: str | None) -> bool:
    """Return whether what is counted, or a filter, is of anything that is known at the return."""
    texts = (*wanted.columns(), where or "")
    words = {word for text in texts for word in _WORD.findall(text.lower())}
    return spec.filter.only_failures or not words.isdisjoint(_AT_RETURN)


def _best(modes: Iterable[str], make: Callable[[str], Plan]) -> tuple[str, Plan]:
    """Return the first of these modes in which a plan can be made, with the plan."""
    first: ProbedeckError | None = None
    for mode in modes:
        try:
            return mode, make(mode)
        except ProbedeckError as error:
            if error.status != 501:
                raise
            first = first or error
    assert first is not None  # every kind has a mode
    raise first


def add_alternatives(
    error: ProbedeckError, planner: Planner, spec: ProbeSpec, working: list[str], failed: str | None
) -> None:
    """Add to a 501 what works instead of a spec in the mode that `failed`.

    `alternatives` are the modes in which the same spec can be started, then other targets as
    `KIND NAME`; `instead` has those with their notes. All of them have been planned.
    """
    target = spec.target or DEFAULT_TARGET
    modes = [
        mode
        for mode in modes_of(target)
        if mode in working
        and mode != failed
        and target.kind != FUNCTIONS  # what prevents one of their modes prevents the other
        and _works(planner, replace(spec, mode=mode), working)
    ]
    others = [
        each
        for each in planner.others(target, working)
        if _works(planner, ProbeSpec(target=each.target), working)
    ]
    error.extra["alternatives"] = [*modes, *(str(each.target) for each in others)]
    error.extra["instead"] = [each.as_json() for each in others]
    error.extra.setdefault("reason", error.detail)
    if error.extra.get("hint") is None:
        error.extra["hint"] = "; ".join(f"{each.target}: {each.note}" for each in others) or None


def _works(planner: Planner, spec: ProbeSpec, working: list[str]) -> bool:
    try:
        return _plan(planner, spec, working).mode in working
    except ProbedeckError:
        return False  # for the same reason, or another


def _checked(plan: Plan, mode: str) -> Plan:
    """Return the plan if its names are a kernel's and it is short enough for a tracer."""
    hook = plan.hook
    names = hook.functions or (hook.name,)  # of several, the name is what a caller wrote
    for name in (*names, hook.module, hook.category):
        if name is not None and not _KERNEL_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a symbol, module or tracepoint category")
    if plan.mode != mode:
        raise ValueError(f"a plan for {plan.mode} instead of {mode}")
    size = len(json.dumps(plan.as_json()))
    if size > MAX_PLAN_BYTES:
        message = (
            f"These columns need a plan of {size // 1024} KiB, and {MAX_PLAN_BYTES // 1024} KiB "
            "are possible: choose fewer, or none of a type with very many enumerators."
        )
        raise invalid("columns", message)
    return plan
