# SPDX-License-Identifier: Apache-2.0
"""The BPF programs of a plan: a template filled in, loaded, attached, filtered, detached."""

from __future__ import annotations

from pathlib import Path

from app.columns.plan import Plan
from app.filters.kernel_filter import KernelFilter
from app.kernel.hints import is_switched_off
from app.linux import tracefs
from app.probes.spec import Filter
from app.tracer import any_records, template
from app.tracer.attached_programs import AttachedPrograms, run_time_ns
from app.tracer.compiled_object import CompiledObject
from app.tracer.cost import RunTime
from app.tracer.filter_tests import FilterTestsSwitch, joined

TRAMPOLINES = ("fentry", "fexit")
ENTRY, RETURN, THREAD_EXIT = "any_entry", "any_return", "raw_tracepoint__sched_process_exit"


def loaded_module(name: str) -> int | None:
    """Return what tells this time that a module is loaded from any other; None if it is not."""
    try:
        return Path("/sys/module", name).stat().st_ino
    except FileNotFoundError:
        return None


class PlanPrograms(AttachedPrograms):
    """A plan's programs in the kernel."""

    def __init__(
        self, plan: Plan, compiled: CompiledObject, ring_bytes: int, where: KernelFilter
    ) -> None:
        self._plan = plan
        self._filter, self._where = Filter(), where
        self._module = None if plan.hook.module is None else loaded_module(plan.hook.module)
        numbers = template.constants(plan)
        super().__init__(
            template.adapted(compiled, plan, ring_bytes),
            any_records.slots(plan),
            lambda code: template.filled(code, numbers),
            plan.hook.module if plan.mode in TRAMPOLINES else None,
        )
        self._switch = FilterTestsSwitch(self._object.maps)

    def _attach(self) -> None:
        """Attach exits of threads before returns, and returns before entries, so that whatever is
        seen to begin is also seen to end. Raises OSError."""
        programs, hook, mode = self._object, self._plan.hook, self._plan.mode
        names = [name for name in (THREAD_EXIT, RETURN, ENTRY) if name in programs.program_names()]
        if THREAD_EXIT in names:
            programs.attach_raw_tracepoint(
                THREAD_EXIT, THREAD_EXIT.removeprefix("raw_tracepoint__")
            )
            names.remove(THREAD_EXIT)
        if mode in TRAMPOLINES:
            for name in names:
                programs.attach_tracing(name)
        elif hook.kind == "function":
            if RETURN in names:
                with tracefs.opened() as folder:
                    programs.attach_kretprobes({RETURN: hook.name}, folder)
            programs.attach_kprobe(ENTRY, hook.name, at_return=False)
        else:
            with tracefs.opened() as folder:
                for name in names:
                    programs.attach_tracepoint(name, folder, *self._tracepoint(name))

    def _tracepoint(self, program: str) -> tuple[str, str]:
        hook = self._plan.hook
        if hook.kind == "syscall":
            return "syscalls", f"sys_{'enter' if program == ENTRY else 'exit'}_{hook.name}"
        assert hook.category is not None
        return hook.category, hook.name

    def _entry_programs(self) -> list[str]:
        return [ENTRY]

    def set_filter(self, wanted: Filter, *, enabled: bool = True) -> None:
        self._switch.set(joined(wanted, self._where, self._plan), enabled=enabled)
        self._filter = wanted

    def set_where(self, wanted: KernelFilter) -> None:
        """Switch to another `where`; the filter stays active."""
        self._switch.set(joined(self._filter, wanted, self._plan), enabled=True)
        self._where = wanted

    def run_time(self) -> RunTime:
        infos = self._object.infos()
        return RunTime(run_time_ns(infos), infos[ENTRY].run_cnt)

    def unseen(self) -> list[str]:
        # A switch for all such programs is off, or the function's module has been unloaded, which
        # ends a kprobe for ever. There are no canaries, as an arbitrary function cannot be called.
        hook = self._plan.hook
        if is_switched_off(self._plan.mode):
            return [hook.name]
        if hook.module is not None and loaded_module(hook.module) != self._module:
            return [f"{hook.name}: its module {hook.module} was unloaded"]
        return []
