# SPDX-License-Identifier: Apache-2.0
"""The BPF programs of deletions in one mode: loaded, attached, filtered, detached."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace

from app.columns.plan import Plan
from app.filters.kernel_filter import KernelFilter
from app.linux import bpf, tracefs
from app.linux.bpf import ProgInfo
from app.presets.deletions import canary
from app.presets.deletions.hooks import RENAME_SYSCALLS, SYSCALLS
from app.presets.deletions.own_functions import own_functions
from app.presets.deletions.renames import INNER
from app.probes.spec import Filter
from app.tracer import any_records, template
from app.tracer.attached_programs import AttachedPrograms, run_time_ns
from app.tracer.compiled_object import CompiledObject
from app.tracer.cost import RunTime
from app.tracer.filter_tests import FilterTestsSwitch, joined
from app.tracer.records import CANARIES

TRAMPOLINES = ("fentry", "fexit")
THREAD_EXIT = "raw_tracepoint__sched_process_exit"
# Programs (bpf/presets/deletions/*.c), returns before entries: so whatever is seen to begin is also
# seen to end.
RETURN, RENAME_RETURN, ENTRY, RENAME, VFS_RENAME = (
    *("on_return", "on_rename_return", "on_entry", "on_rename", "on_vfs_rename"),
)
_OF_RENAMES = (RENAME_RETURN, RENAME, VFS_RENAME)
_ATTACHED = (RETURN, RENAME_RETURN, ENTRY, RENAME, VFS_RENAME)
_AT_RETURN = (RETURN, RENAME_RETURN)
_CALLS = SYSCALLS + RENAME_SYSCALLS


def _is_at_entry(program: str) -> bool:
    return program in (ENTRY, RENAME, VFS_RENAME) or program.startswith("on_enter_")


def _misses_at_entry(infos: Mapping[str, ProgInfo]) -> int:
    return sum(info.recursion_misses or 0 for name, info in infos.items() if _is_at_entry(name))


def runs_at_entry(infos: Mapping[str, ProgInfo]) -> int:
    """Return how often a traced call entered; what runs inside a call is not another one."""
    return sum(
        info.run_cnt for name, info in infos.items() if _is_at_entry(name) and name != VFS_RENAME
    )


class Programs(AttachedPrograms):
    """Deletions' programs of a mode in the kernel, attached to one function or to system calls."""

    def __init__(
        self,
        plan: Plan,
        function: str,
        compiled: CompiledObject,
        ring_bytes: int,
        where: KernelFilter,
    ) -> None:
        self.plan, self.mode, self._where = plan, plan.mode, where
        self._wanted = Filter()
        self._functions = self._places(function)
        self._canaries = 0  # of ours that the programs saw
        self._canaries_ns = 0.0  # their share of the time that the kernel measured
        self._canary_ns: float | None = None  # the shortest, in all programs together
        numbers = template.constants(plan)
        super().__init__(
            self._aimed(template.adapted(compiled, plan, ring_bytes)),
            any_records.slots(plan),
            lambda code: template.completed(code, numbers),
        )
        self._filter = FilterTestsSwitch(self._object.maps)
        self._canary_calls = canary.calls_of(self.mode, self._object.program_names())

    def _places(self, function: str) -> dict[str, str]:
        """Return the function of each program that has one."""
        if self.mode == "tracepoint":
            return {}
        found = {RETURN: function, ENTRY: function}
        if rename := own_functions().rename:
            found |= {RENAME: rename, RENAME_RETURN: rename, VFS_RENAME: INNER}
        return found

    def _aimed(self, compiled: CompiledObject) -> CompiledObject:
        """Leave out what follows renames where that is not possible; aim the rest."""
        programs = [
            program
            for program in compiled.programs
            if program.name not in _OF_RENAMES or program.name in self._functions
        ]
        if self.mode in TRAMPOLINES:
            ids = own_functions().ids
            programs = [
                replace(
                    program,
                    type=bpf.PROG_TYPE_TRACING,
                    attach_type=(
                        bpf.ATTACH_TRACE_FEXIT
                        if program.name in _AT_RETURN
                        else bpf.ATTACH_TRACE_FENTRY
                    ),
                    attach_btf_id=ids.get(self._functions[program.name], 0),
                )
                if program.name in self._functions
                else program
                for program in programs
            ]
        return replace(compiled, programs=tuple(programs))

    def _attach(self) -> None:
        programs = self._object
        names = [name for name in _ATTACHED if name in programs.program_names()]
        if THREAD_EXIT in programs.program_names():
            programs.attach_raw_tracepoint(
                THREAD_EXIT, THREAD_EXIT.removeprefix("raw_tracepoint__")
            )
        if self.mode in TRAMPOLINES:
            for name in names:
                programs.attach_tracing(name)
        elif self.mode == "tracepoint":
            entered = programs.programs()["on_entered"]
            programs.maps["entered"].set(bytes(4), struct.pack("=I", entered))
            with tracefs.opened() as folder:
                for call in _CALLS:
                    programs.attach_tracepoint("on_exit", folder, "syscalls", f"sys_exit_{call}")
                for call in _CALLS:
                    programs.attach_tracepoint(
                        f"on_enter_{call}", folder, "syscalls", f"sys_enter_{call}"
                    )
        else:
            returns = {name: self._functions[name] for name in names if name in _AT_RETURN}
            if returns:
                with tracefs.opened() as folder:
                    programs.attach_kretprobes(list(returns.items()), folder)
            for name in names:
                if name not in returns:
                    programs.attach_kprobe(name, self._functions[name], at_return=False)

    def _entry_programs(self) -> list[str]:
        return [name for name in self._object.program_names() if _is_at_entry(name)]

    def set_filter(self, wanted: Filter, *, enabled: bool = True) -> None:
        self._filter.set(joined(wanted, self._where, self.plan), enabled=enabled)
        self._wanted = wanted

    def set_where(self, wanted: KernelFilter) -> None:
        """Switch to another `where`; the filter stays active."""
        self._where = wanted
        self.set_filter(self._wanted)

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
