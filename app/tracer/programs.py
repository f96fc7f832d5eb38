# SPDX-License-Identifier: Apache-2.0
"""The BPF programs of one mode: loaded, attached, filtered, detached."""

from __future__ import annotations

from collections.abc import Mapping

from app.filters.kernel_filter import KernelFilter
from app.kernel.renames import INNER
from app.linux.bpf import ProgInfo
from app.probes.spec import Filter
from app.tracer import canary, template
from app.tracer.attached_programs import AttachedPrograms, run_time_ns
from app.tracer.attachments import attach
from app.tracer.compiled_object import CompiledObject
from app.tracer.cost import RunTime
from app.tracer.filter_map import FilterSwitch
from app.tracer.records import CANARIES, NAME_BYTES
from app.tracer.rings import slot_dtype


def _is_at_entry(program: str) -> bool:
    return program.startswith(("kfunc__", "kprobe__", "on_en"))  # on_entry, on_enter_*


def _misses_at_entry(infos: Mapping[str, ProgInfo]) -> int:
    return sum(info.recursion_misses or 0 for name, info in infos.items() if _is_at_entry(name))


def runs_at_entry(infos: Mapping[str, ProgInfo]) -> int:
    """Return how often a traced call entered; what runs inside a call is not another one."""
    return sum(
        info.run_cnt
        for name, info in infos.items()
        if _is_at_entry(name) and not name.endswith(f"__{INNER}")
    )


class Programs(AttachedPrograms):
    """Deletions' programs of a mode in the kernel."""

    def __init__(
        self,
        mode: str,
        function: str,
        compiled: CompiledObject,
        path_offsets: Mapping[str, int] | None = None,
    ) -> None:
        """With `path_offsets` (app.columns.kernel_offsets.folder_offsets), records have the folder
        of each relative name."""
        self.mode, self._function = mode, function
        self._canaries = 0  # of ours that the programs saw
        self._canaries_ns = 0.0  # their share of the time that the kernel measured
        self._canary_ns: float | None = None  # the shortest, in all programs together
        numbers = template.folder_constants(path_offsets)
        super().__init__(
            compiled,
            {name: slot_dtype(size) for name, size in NAME_BYTES.items()},
            lambda code: template.completed(code, numbers),
        )
        self._filter = FilterSwitch(self._object.maps)
        self._canary_calls = canary.calls_of(mode, self._object.program_names())

    def _attach(self) -> None:
        attach(self._object, self.mode, self._function)

    def _entry_programs(self) -> list[str]:
        return [name for name in self._object.program_names() if _is_at_entry(name)]

    def set_filter(self, wanted: Filter, *, enabled: bool = True) -> None:
        self._filter.set(wanted, enabled=enabled)

    def set_where(self, wanted: KernelFilter) -> None:
        """Raises ValueError for tests: these programs make none but those of `Filter`."""
        if wanted != KernelFilter():
            raise ValueError("these programs test no filter of columns")

    def _recursion_misses(self) -> int:
        return super()._recursion_misses() - canary.missed(self._object.maps["canary"])

    def run_time(self) -> RunTime:
        # Canaries of all tracers are counted even when the kernel is not measuring.
        infos = self._object.infos()
        canaries = self._count(CANARIES)
        return RunTime(
            round(run_time_ns(infos) - self._canaries_ns),
            runs_at_entry(infos) - canaries,
            canaries - self._canaries,
            self._canary_ns or 0.0,
        )

    def unseen(self) -> list[str]:
        """Call the traced functions, and return which programs did not run, in words.

        These calls are in no count. Raises OSError.
        """
        memory = self._object.maps["canary"]
        before = self._object.infos()
        seen = canary.send(self._canary_calls, memory)
        after = self._object.infos()
        unseen = sum(not each.entered for each in seen.values())
        if missed := min(unseen, _misses_at_entry(after) - _misses_at_entry(before)):
            canary.add_missed(memory, missed)
        self._measure_canaries(len(seen) - unseen, before, after)
        return canary.unseen(self.mode, seen, self.calls_in_progress())

    def _measure_canaries(
        self, count: int, before: Mapping[str, ProgInfo], after: Mapping[str, ProgInfo]
    ) -> None:
        self._canaries += count
        runs = runs_at_entry(after) - runs_at_entry(before)
        time_ns = run_time_ns(after) - run_time_ns(before)
        if 0 < runs == count:  # the kernel is measuring, and nothing else was called
            self._canaries_ns += time_ns
            self._canary_ns = min(time_ns / count, self._canary_ns or time_ns / count)
        elif runs:
            self._canaries_ns += count * (self._canary_ns or time_ns / runs)
