# SPDX-License-Identifier: Apache-2.0
"""Probes of any function in this process, with the product's planner, template and decoder.

Without service and tracer, starting one costs no process: a thousand take minutes in emulation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from app.columns import planner, trace_target
from app.columns.plan import Plan
from app.config import Settings
from app.filters.kernel_filter import KernelFilter
from app.kernel import functions_cache
from app.kernel.functions import FUNCTION, FunctionIndex
from app.kernel.kernel_types import KernelTypes
from app.presets.kernel_names import PresetNames
from app.probes.kernel_planner import KernelPlanner
from app.probes.spec import Filter, Target
from app.tracer import any_records
from app.tracer.compiled_object import CompiledObject
from app.tracer.decode_plan import PlanEncoder
from app.tracer.drain import Drain
from app.tracer.object_cache import get_template
from app.tracer.plan_programs import PlanPrograms
from tests.support.running_types import RUNNING

RING_BYTES = 64 << 10


class Plans:
    """Plans of the running kernel's functions, and templates; the index is made at construction."""

    def __init__(self, cache_dir: Path) -> None:
        self._cache = cache_dir
        self.index = FunctionIndex(functions_cache.ensure(RUNNING, cache_dir))
        self._types = KernelTypes(RUNNING)
        settings = replace(Settings(owner_uid=0), btf_path=RUNNING, cache_dir=cache_dir)
        self._planner = KernelPlanner(
            settings,
            self,  # type: ignore[arg-type]
            self._types,
            PresetNames(RUNNING),
        )
        self.template = cache(self._template)

    def current(self, timeout_s: float) -> FunctionIndex:
        """Return the index, as app.probes.function_index.Functions does."""
        assert timeout_s > 0
        return self.index

    def plan(self, name: str, mode: str) -> Plan:
        """Return the plan of a start without `columns`; raises ProbedeckError for a refusal."""
        return self._planner.make_plan(Target(FUNCTION, name), mode, None)

    def plan_columns(self, target: Target, mode: str, columns: tuple[str, ...]) -> Plan:
        """Return the plan of a start with `columns`; raises ProbedeckError for a refusal."""
        return self._planner.make_plan(target, mode, columns)

    def plan_anyway(self, name: str, mode: str) -> Plan:
        """Return a plan without columns, whatever the index says; raises ProbedeckError."""
        entry = self.index.lookup(FUNCTION, name)
        assert entry is not None
        target = trace_target.Target(
            FUNCTION, name, module=entry.module, function_id=entry.function_id
        )
        return planner.plan(self._types.btf(entry.module), target, mode, ())

    def _template(self, name: str) -> CompiledObject:
        return get_template(name, RUNNING, self._cache)


class Kept:
    """An outbox that counts rows, and keeps what went wrong."""

    queued_bytes = 0

    def __init__(self) -> None:
        self.rows = 0
        self.faults: list[str] = []

    def batch(self, rows: int, data: bytes) -> None:
        assert data
        self.rows += rows

    def message(self, members: dict[str, Any]) -> None:
        if members["type"] == "fault":
            self.faults.append(members["traceback"])


class DirectProbe:
    """A probe that is attached; use `direct_probe`."""

    def __init__(self, programs: PlanPrograms, drain: Drain, kept: Kept) -> None:
        self._programs, self._drain, self._kept = programs, drain, kept

    def trace(self, pid: int) -> None:
        """Show what a process does from now on."""
        self._programs.set_filter(Filter(pid=pid))

    def stop(self) -> None:
        """Show nothing more."""
        self._programs.set_filter(Filter(), enabled=False)

    def decoded(self) -> Kept:
        """Make rows of all records that are there."""
        while self._drain.poll():
            pass
        return self._kept

    def lost(self) -> dict[str, int]:
        """Return what was not shown, by cause, and the calls that have not returned."""
        return {**self._programs.drops(), "unfinished": self._programs.calls_in_progress()}


@contextmanager
def direct_probe(plan: Plan, template: CompiledObject) -> Iterator[DirectProbe]:
    """Attach a plan's programs, and detach them; raises ProbedeckError if the kernel refuses."""
    kept = Kept()
    encoder = PlanEncoder("direct", 1, plan)
    with PlanPrograms(plan, template, RING_BYTES, KernelFilter()) as programs:
        slots = any_records.slots(plan)
        with Drain(programs, kept, encoder, slots) as drain:  # type: ignore[arg-type]
            yield DirectProbe(programs, drain, kept)


def batches(names: Collection[str], size: int) -> list[list[str]]:
    """Return names in groups of this size, in their order."""
    listed = list(names)
    return [listed[at : at + size] for at in range(0, len(listed), size)]
