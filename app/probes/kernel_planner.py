# SPDX-License-Identifier: Apache-2.0
"""The planner of the running kernel: its index of functions, its types, the filters, the presets.

A name of a request is looked up in the index; what goes on is the index's own name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from functools import cache

from app.btf.format import BtfError
from app.btf.type_paths import Paths
from app.columns import planner, trace_target
from app.columns.plan import PROGRAMS, Plan
from app.config import Settings
from app.errors import ProbedeckError, invalid
from app.filters import FilterFault, hints_of, plan_vocabulary, split
from app.kernel.function_sets import FunctionSet, function_set
from app.kernel.functions import KINDS, Entry, FunctionIndex
from app.kernel.functions_query import QueryError, near_names
from app.kernel.functions_reasons import why_not
from app.kernel.kernel_types import KernelTypes
from app.linux.user_names import user_number
from app.presets.deletions.offsets import offsets
from app.presets.deletions.own_plan import own_plan
from app.presets.kernel_names import PresetNames
from app.presets.resolve import resolve as resolve_preset
from app.presets.table import PRESETS
from app.probes.alternatives import alternatives
from app.probes.function_index import Functions
from app.probes.modes import PREFERENCE
from app.probes.planning import Other, Resolved
from app.probes.spec import FUNCTION, FUNCTIONS, PRESET, SYSCALL, TRACEPOINT, Target, Where

MAX_NAMED = 5  # functions that are left out, with their reasons
# A tracepoint of a system call, which is not traced by itself: with or without its category.
_SYSCALL_EVENT = re.compile(r"(?:syscalls:)?sys_(?:enter|exit)_(.+)")


class KernelPlanner:
    """See app.probes.planning.Planner. A request may wait for the index of functions.

    The kernel's types are read at the first use. Also raises ProbedeckError 503
    `functions_not_ready`.
    """

    def __init__(
        self,
        settings: Settings,
        functions: Functions,
        types: KernelTypes,
        preset_names: PresetNames,
    ) -> None:
        self._settings, self._functions, self._types = settings, functions, types
        self._preset_names = preset_names

    def resolve(self, preset: str, mode: str | None, working: Collection[str]) -> Resolved:
        if preset not in PRESETS:
            near = difflib.get_close_matches(preset, PRESETS, n=1)
            guess = f" Did you mean {near[0]}?" if near else ""
            raise invalid("preset", f"Unknown preset.{guess} Known: {', '.join(PRESETS)}.")
        if PRESETS[preset].has_own_programs:
            best = next(iter(working), PREFERENCE[0])
            return Resolved(Target(PROGRAMS, preset), mode or best, None, None)
        has = self._preset_names.has
        found = resolve_preset(preset, mode, has, working)
        if found.candidate is None or found.mode is None:
            # In a mode that is off, it is planned nevertheless: the start says why that is off.
            found = resolve_preset(preset, mode, has)
        if found.candidate is None or found.mode is None:
            raise _unavailable(f"the preset {preset}", found.reason or "")
        candidate = found.candidate
        target = Target(candidate.kind, candidate.name)
        return Resolved(
            target,
            found.mode,
            candidate.columns,
            candidate.where,
            candidate.not_seen_in(found.mode),
        )

    def make_plan(self, target: Target, mode: str, columns: tuple[str, ...] | None) -> Plan:
        if target.kind == PROGRAMS:
            return own_plan(
                target.name,
                mode,
                columns,
                lambda wants_path: self._offsets(target, mode, wants_path),
            )
        known = self._known(target, mode)
        try:
            btf = self._types.btf(known.module if known.function_id else None)
            return planner.plan(btf, known, mode, columns)
        except (OSError, BtfError) as error:
            raise _no_types(str(target), error) from error

    def _known(self, target: Target, mode: str) -> trace_target.Target:
        """Return a target as the index knows it; raises ProbedeckError if it cannot be traced."""
        if target.kind == FUNCTIONS:
            names = self._function_set(target, mode).names
            return trace_target.Target(FUNCTIONS, target.name, functions=names)
        entry = self._entry(target)
        if refusal := why_not(entry, mode):
            raise _unavailable(str(target), refusal.reason)
        return trace_target.Target(
            entry.kind,
            entry.full_name,
            module=entry.module,
            function_id=entry.function_id,
            is_undescribed=entry.kind == FUNCTION and not entry.function_id,
        )

    def _function_set(self, target: Target, mode: str) -> FunctionSet:
        index = self._functions.current(self._settings.start_timeout_s)
        try:
            return function_set(index, target.name, mode)
        except QueryError as error:
            fault = {"field": FUNCTIONS, "message": str(error), "near": error.near}
            raise ProbedeckError(422, "invalid", f"functions: {error}", errors=[fault]) from None

    def not_seen(self, target: Target, mode: str) -> tuple[str, ...]:
        if target.kind != FUNCTIONS:
            return ()
        left_out = self._function_set(target, mode).left_out
        if not left_out:
            return ()
        shown = "; ".join(f"{name}: {why.reason}" for name, why in left_out[:MAX_NAMED])
        more = "" if len(left_out) <= MAX_NAMED else f"; and {len(left_out) - MAX_NAMED} more"
        return (f"{len(left_out)} functions that cannot be traced so: {shown}{more}",)

    def _offsets(self, target: Target, mode: str, wants_path: bool) -> dict[str, int]:
        try:
            return offsets(Paths(self._types.btf()), mode, wants_path=wants_path)
        except (OSError, BtfError) as error:
            raise _no_types(str(target), error) from error

    def others(self, target: Target, working: Collection[str]) -> list[Other]:
        if target.kind in (PRESET, PROGRAMS, FUNCTIONS):
            return []  # a preset is all of its candidates; of several, each has others
        index = self._functions.current(self._settings.start_timeout_s)
        entry = index.lookup(target.kind, target.name)
        if entry is None:
            return []
        return alternatives(entry, index, working, self._preset_names.has)

    def compile_where(self, text: str, plan: Plan) -> Where:
        try:
            found = split(text, plan, cache(user_number))
        except FilterFault as fault:
            raise fault.error("where", text) from None
        kernel = None if found.kernel is None else found.kernel.as_json()
        hints = hints_of(text, plan_vocabulary(plan))
        return Where(text, kernel, found.rest, [hint.as_json() for hint in hints])

    def _entry(self, target: Target) -> Entry:
        """Return what the index has under this name; raises ProbedeckError 422."""
        index = self._functions.current(self._settings.start_timeout_s)
        entry = index.lookup(target.kind, target.name)
        if entry is None:
            if other := _other_kind(index, target):
                near, guess = [], f" Did you mean the {other.kind} {other.full_name}?"
            else:
                near = near_names(index, target.name, target.kind)
                guess = f" Did you mean {' or '.join(near)}?" if near else ""
            message = f"This kernel has no {target.kind} {target.name[:128]}.{guess}"
            error = {"field": target.kind, "message": message, "near": near}
            raise ProbedeckError(422, "invalid", f"{target.kind}: {message}", errors=[error])
        return entry


def _other_kind(index: FunctionIndex, target: Target) -> Entry | None:
    """Return what has this name, but is of another kind; of a system call's two tracepoints, it."""
    call = _SYSCALL_EVENT.fullmatch(target.name)
    if call and target.kind == TRACEPOINT:
        return index.lookup(SYSCALL, call[1])
    others = (kind for kind in KINDS if kind != target.kind)
    return next((found for kind in others if (found := index.lookup(kind, target.name))), None)


def _no_types(what: str, error: Exception) -> ProbedeckError:
    reason = f"the kernel's types cannot be read: {error}"
    hint = "It needs a kernel with CONFIG_DEBUG_INFO_BTF, and tracefs for tracepoints."
    return _unavailable(what, reason, hint=hint)


def _unavailable(what: str, reason: str, hint: str | None = None) -> ProbedeckError:
    detail = f"{what}: {reason}"
    return ProbedeckError(501, "unavailable", detail, reason=reason, hint=hint)
