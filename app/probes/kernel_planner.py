# SPDX-License-Identifier: Apache-2.0
"""Planning on the running kernel: its functions, types, tracepoints, and the presets."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from app.btf.format import BtfError
from app.columns.plan import Plan
from app.columns.planner import plan
from app.columns.trace_target import Target as TraceTarget
from app.errors import ProbedeckError
from app.filters import FilterFault, split
from app.kernel.functions import FUNCTION, Entry, FunctionIndex
from app.kernel.functions_query import find, near_names
from app.kernel.functions_reasons import Refusal, why_not
from app.kernel.kernel_types import KernelTypes
from app.linux.users import user_number
from app.presets.resolve import resolve
from app.presets.table import PRESETS
from app.probes.planning import Resolved, invalid
from app.probes.spec import Target

_TRAMPOLINES = ("fentry", "fexit")


class KernelPlanner:
    """The `Planner` of a service. What it needs to know is asked for when it is needed."""

    def __init__(
        self,
        types: Callable[[], KernelTypes],
        preset_names: Callable[[], frozenset[tuple[str, str]]],
        index: Callable[[], FunctionIndex],
    ) -> None:
        self._types, self._preset_names, self._index = types, preset_names, index

    def resolve(self, preset: str, mode: str | None, working: Collection[str]) -> Resolved:
        """Return what a preset is on this kernel. Raises ProbedeckError as `Planner` says."""
        if preset not in PRESETS:
            raise invalid("preset", f"Unknown preset {preset!r}: use one of {', '.join(PRESETS)}.")
        names = self._preset_names()
        found = resolve(preset, mode, lambda kind, name: (kind, name) in names, working)
        if found.candidate is None or found.mode is None:
            raise _unavailable(f"the preset {preset}", found.reason or "nothing here answers it")
        candidate = found.candidate
        target = Target(candidate.kind, candidate.name)
        return Resolved(target, found.mode, candidate.columns, candidate.where)

    def make_plan(self, target: Target, mode: str, columns: tuple[str, ...] | None) -> Plan:
        """Return the plan for a target. Raises ProbedeckError as `Planner` says."""
        entry = self._entry(target)
        refusal = why_not(entry, mode) or _not_yet(entry, mode)
        if refusal is not None:
            raise _refused(target, mode, refusal)
        wanted = TraceTarget(entry.kind, entry.full_name, columns, entry.module, entry.function_id)
        try:
            return plan(self._types().btf(entry.module), wanted, mode)
        except (OSError, BtfError) as error:
            raise _unavailable(f"the {target}", f"its types cannot be read: {error}") from error

    def compile_where(self, text: str, plan: Plan) -> tuple[dict[str, Any] | None, str | None]:
        """Return what the kernel tests of a filter, and the rest. Raises ProbedeckError 422."""
        try:
            parts = split(text, plan, user_number)
        except FilterFault as fault:
            raise fault.error("where", text) from fault
        return None if parts.kernel is None else parts.kernel.as_json(), parts.rest

    def _entry(self, target: Target) -> Entry:
        index = self._index()
        entry = find(index, target.name, target.kind, None)
        if entry is None:
            near = near_names(index, target.name, target.kind)
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            message = f"This kernel has no {target.kind} {target.name!r}.{meant}"
            error = {"field": target.kind, "message": message, "near": near}
            detail = f"{target.kind}: {message}"
            raise ProbedeckError(422, "invalid", detail, errors=[error])
        return entry


def _not_yet(entry: Entry, mode: str) -> Refusal | None:
    if entry.kind == FUNCTION and entry.module is not None and mode in _TRAMPOLINES:
        return Refusal(
            "module_function",
            f"{entry.name} belongs to the module {entry.module}, and Probedeck attaches trampolines"
            " to functions of the kernel itself only: use kprobe or kretprobe",
        )
    return None


def _refused(target: Target, mode: str, refusal: Refusal) -> ProbedeckError:
    error = _unavailable(f"the {target} in the mode {mode}", refusal.reason)
    error.extra["instead"] = [
        {"kind": each.kind, "name": each.name, "note": each.note} for each in refusal.instead
    ]
    return error


def _unavailable(what: str, reason: str) -> ProbedeckError:
    detail = f"{what} cannot be traced: {reason}"
    return ProbedeckError(501, "unavailable", detail, reason=reason, hint=None)
