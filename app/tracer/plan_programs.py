# SPDX-License-Identifier: Apache-2.0
"""The BPF programs of a plan: a template filled in, loaded, attached, filtered, detached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from app.columns.plan import Plan
from app.errors import ProbedeckError
from app.filters.kernel_filter import KernelFilter
from app.kernel.feature_probes import describe_error
from app.kernel.hints import is_switched_off
from app.linux import bpf, tracefs
from app.probes.drops import PROGRAM_DROPS, RECURSION
from app.probes.spec import Filter
from app.tracer import any_records, template
from app.tracer.attached_programs import AttachedPrograms, run_time_ns
from app.tracer.compiled_object import CompiledObject
from app.tracer.cost import RunTime
from app.tracer.filter_tests import FilterTestsSwitch, joined
from app.tracer.loader import LoadedObject
from app.tracer.records import CALLS_ENTERED, CALLS_LEFT

ENTRY, RETURN, THREAD_EXIT = "any_entry", "any_return", "raw_tracepoint__sched_process_exit"


class PlanPrograms(AttachedPrograms):
    """A plan's programs in the kernel. A context manager: leaving it detaches and unloads.

    As with `Programs`, they are attached disabled, and `set_filter` lets events through.
    """

    def __init__(
        self, plan: Plan, compiled: CompiledObject, ring_bytes: int, where: KernelFilter
    ) -> None:
        self._plan = plan
        self._filter, self._where = Filter(), where
        numbers = template.constants(plan)
        adapted = template.adapted(compiled, plan, ring_bytes)
        try:
            with _attached_to(plan) as btf_fd:
                self._object = LoadedObject(
                    adapted, lambda code: template.filled(code, numbers), btf_fd
                )
            self._switch = FilterTestsSwitch(self._object.maps)
            try:
                self._attach()
            except BaseException:
                self._object.__exit__()
                raise
        except OSError as error:
            raise ProbedeckError(
                502, "tracer_failed", f"the kernel refused the programs: {describe_error(error)}"
            ) from error

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
        if mode in ("fentry", "fexit"):
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

    def rings(self) -> dict[str, tuple[int, int]]:
        """Return descriptor and size in bytes of each ring that is used, by name."""
        maps = self._object.maps
        return {
            name: (maps[name].fd, maps[name].spec.max_entries)
            for name in any_records.text_areas(self._plan)
        }

    def account(self) -> tuple[dict[str, object], list[int]]:
        """Return the message `maps` and its descriptors, as `Programs.account` does."""
        message = {
            "type": "maps",
            "rings": [slot.itemsize for slot in any_records.slots(self._plan).values()],
            "drops": {kind: index for index, kind in enumerate(PROGRAM_DROPS)},
            "entered": CALLS_ENTERED,
            "left": CALLS_LEFT,
            "canary_missed_at": None,
        }
        rings = [fd for fd, _ in self.rings().values()]
        counts = self._object.maps["counts"].fd
        return message, [*rings, counts, self._object.programs()[ENTRY]]

    def set_filter(self, wanted: Filter, *, enabled: bool = True) -> None:
        """Switch to another filter, as `Programs.set_filter` does; `where` stays in force."""
        self._switch.set(joined(wanted, self._where, self._plan), enabled=enabled)
        self._filter = wanted

    def set_where(self, wanted: KernelFilter) -> None:
        """Switch to another `where`; the filter stays in force."""
        self._switch.set(joined(self._filter, wanted, self._plan), enabled=True)
        self._where = wanted

    def drops(self) -> dict[str, int]:
        """Return how many events passed the filter and were lost in the kernel, by cause."""
        result = {kind: self._count(index) for index, kind in enumerate(PROGRAM_DROPS)}
        result[RECURSION] = self._object.infos()[ENTRY].recursion_misses or 0
        return result

    def run_time(self) -> RunTime:
        """Return the time in all programs and the calls that entered, while the kernel measured."""
        infos = self._object.infos()
        return RunTime(run_time_ns(infos), infos[ENTRY].run_cnt)

    def silent_hooks(self) -> list[str]:
        """Return what the kernel does not run, in words: a switch for all such programs is off.

        There are no canaries, as an arbitrary function cannot be called.
        """
        return [self._plan.hook.name] if is_switched_off(self._plan.mode) else []


@contextmanager
def _attached_to(plan: Plan) -> Iterator[int]:
    """Hold the BTF of the module whose function trampolines are for; 0 for the kernel's.

    The kernel takes the module itself while it loads a program for it, and a trampoline holds it
    from then on. Raises ProbedeckError where the module was unloaded since the plan was made.
    """
    module = plan.hook.module
    if plan.mode not in ("fentry", "fexit") or module is None:
        yield 0
        return
    with ExitStack() as stack:
        try:
            btf_fd = stack.enter_context(bpf.module_btf(module))
        except FileNotFoundError:
            raise ProbedeckError(
                502, "tracer_failed", f"the module {module} is not loaded any more"
            ) from None
        yield btf_fd
