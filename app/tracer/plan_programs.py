# SPDX-License-Identifier: Apache-2.0
"""The BPF programs of a plan: a template filled in, loaded, attached, filtered, detached.

A plan's programs and maps are a set. When the columns change, a set of the new plan is loaded, and
the sets before stay until the calls that they saw at entry have returned.

Only the first set is ever attached; its programs pass on, by tail calls, what they do not see
themselves (`newer_entry` and `other_return` in bpf/template/). At entry a program reads once
whether its columns are active, and jumps to the newest one if they are not; so each call is seen
at entry by one set, whatever CPU it is on. At return a program passes on the calls that it did not
see at entry: the attached one to the newest, and that to the one before it. A probe whose columns
never changed jumps nowhere.
"""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path

import numpy as np

from app.columns.plan import FUNCTIONS, MULTI, SESSION, SINGLE, Plan
from app.filters.kernel_filter import KernelFilter
from app.kernel.hints import is_switched_off
from app.linux import bpf, tracefs
from app.linux.syscalls import wait_for_running_programs
from app.probes.drops import RECURSION, UNFINISHED
from app.probes.spec import Filter
from app.tracer import any_records, several_functions, template
from app.tracer.attached_programs import AttachedPrograms, SeesReturns, run_time_ns
from app.tracer.compiled_object import CompiledObject
from app.tracer.cost import RunTime
from app.tracer.filter_tests import FilterTestsSwitch, joined
from app.tracer.loader import LoadedMap

TRAMPOLINES = ("fentry", "fexit")
ENTRY = several_functions.ENTRY_PROGRAM
RETURN, THREAD_EXIT = "any_return", "raw_tracepoint__sched_process_exit"
_NEWER_ENTRY, _OTHER_RETURN = "newer_entry", "other_return"


def loaded_module(name: str) -> int | None:
    """Return what tells this time that a module is loaded from any other; None if it is not."""
    try:
        return Path("/sys/module", name).stat().st_ino
    except FileNotFoundError:
        return None


class PlanSet(AttachedPrograms):
    """The programs of one plan with their maps.

    Those of the `first` set of a probe are attached, the others are reached from there; what sees
    the exits of threads is attached in any. Raises ProbedeckError 502 if the kernel refuses.
    """

    def __init__(
        self,
        plan: Plan,
        compiled: CompiledObject,
        ring_bytes: int,
        where: KernelFilter,
        *,
        is_first: bool,
    ) -> None:
        self.plan, self.where = plan, where
        self._is_first = is_first
        numbers, session = template.constants(plan), several_functions.session_of(plan)
        super().__init__(
            template.adapted(compiled, plan, ring_bytes),
            any_records.slots(plan),
            lambda code: template.completed(code, numbers, session),
            plan.hook.module if plan.mode in TRAMPOLINES else None,
        )
        self._switch = FilterTestsSwitch(self._object.maps)

    def _attach(self) -> None:
        """Attach exits of threads before returns, and returns before entries, so that whatever is
        seen to begin is also seen to end. Raises OSError."""
        programs, hook, mode = self._object, self.plan.hook, self.plan.mode
        names = [name for name in (THREAD_EXIT, RETURN, ENTRY) if name in programs.program_names()]
        if THREAD_EXIT in names:
            programs.attach_raw_tracepoint(
                THREAD_EXIT, THREAD_EXIT.removeprefix("raw_tracepoint__")
            )
            names.remove(THREAD_EXIT)
        if not self._is_first:
            return
        if hook.kind == FUNCTIONS:
            self._attach_to_several(RETURN in names)
        elif mode in TRAMPOLINES:
            for name in names:
                programs.attach_tracing(name)
        elif hook.kind == "function":
            if RETURN in names:
                with tracefs.opened() as folder:
                    programs.attach_kretprobes([(RETURN, hook.name)], folder)
            programs.attach_kprobe(ENTRY, hook.name, at_return=False)
        else:
            with tracefs.opened() as folder:
                for name in names:
                    programs.attach_tracepoint(name, folder, *self._tracepoint(name))

    def _attach_to_several(self, has_return: bool) -> None:
        programs, functions = self._object, self.plan.hook.functions
        if self.plan.hook.way != SINGLE:
            attach_type = several_functions.attach_type(self.plan)
            if has_return:
                programs.attach_functions(RETURN, functions, attach_type, at_return=True)
            programs.attach_functions(ENTRY, functions, attach_type)
            return
        if has_return:
            with tracefs.opened() as folder:
                programs.attach_kretprobes([(RETURN, each) for each in functions], folder)
        for name, function in zip(self.entry_names(), functions, strict=True):
            programs.attach_kprobe(name, function, at_return=False)

    def entry_names(self) -> list[str]:
        """Return the names of the programs at entry that are attached."""
        return several_functions.entry_programs(self.plan)

    def _tracepoint(self, program: str) -> tuple[str, str]:
        hook = self.plan.hook
        if hook.kind == "syscall":
            return "syscalls", f"sys_{'enter' if program == ENTRY else 'exit'}_{hook.name}"
        assert hook.category is not None
        return hook.category, hook.name

    def _entry_programs(self) -> list[str]:
        return []  # `PlanPrograms` counts what the kernel did not show, where it is attached

    def set_filter(self, wanted: Filter, *, enabled: bool = True) -> None:
        self._switch.set(joined(wanted, self.where, self.plan), enabled=enabled)

    def pass_entries_to(self, newer: PlanSet) -> None:
        """Have another set's program see calls at entry while this one's filter is not enabled.

        Raises OSError.
        """
        _jump(self._object.maps[_NEWER_ENTRY], newer.program(ENTRY))

    def pass_returns_to(self, other: PlanSet | None) -> None:
        """Pass returns of calls that this set did not see to another one's program, or to none.

        Raises OSError.
        """
        if _OTHER_RETURN in self._object.maps:  # not in entry modes
            chain = self._object.maps[_OTHER_RETURN]
            _jump(chain, None if other is None else other.program(RETURN))

    def program(self, name: str) -> int:
        """Return the descriptor of a program."""
        return self._object.programs()[name]

    @property
    def sees_both(self) -> bool:
        """Whether one program runs at entry and at return: what it missed may have been either."""
        return self.plan.hook.way == SESSION

    def calls_in_progress(self) -> int:
        inside = super().calls_in_progress()
        return max(0, inside - self.entry_misses()) if self.sees_both else inside

    def entry_misses(self) -> int:
        """Return how many calls the kernel did not show the attached program at entry."""
        infos = self._object.infos()
        return sum(infos[name].recursion_misses or 0 for name in self.entry_names())

    def run_time(self) -> RunTime:
        infos = self._object.infos()
        return RunTime(run_time_ns(infos), sum(infos[name].run_cnt for name in self.entry_names()))


def _jump(programs: LoadedMap, descriptor: int | None) -> None:
    """Have the tail call through a map of one program enter this one, or none."""
    if descriptor is None:
        bpf.map_delete(programs.fd, bytes(4))
    else:
        programs.set(bytes(4), struct.pack("=I", descriptor))


class PlanPrograms(SeesReturns):
    """A plan's programs in the kernel, attached disabled; `set_filter` lets events through.

    A context manager: leaving it detaches and unloads. Raises ProbedeckError 502 if the kernel
    refuses the programs.
    """

    def __init__(
        self, plan: Plan, compiled: CompiledObject, ring_bytes: int, where: KernelFilter
    ) -> None:
        self._compiled, self._ring_bytes = compiled, ring_bytes
        self._filter = Filter()
        self._retired: Counter[str] = Counter()  # what sets that were retired have lost
        hook = plan.hook
        self._module = None if hook.module is None else loaded_module(hook.module)
        self._first = PlanSet(plan, compiled, ring_bytes, where, is_first=True)
        self.sets = [self._first]  # not retired, the oldest first; calls enter the last one

    def __enter__(self) -> PlanPrograms:
        return self

    def __exit__(self, *exc: object) -> None:
        self._first.__exit__(*exc)  # detaches
        for each in self.sets:
            if each is not self._first:
                each.__exit__(*exc)

    @property
    def plan(self) -> Plan:
        """The plan of the calls that enter now."""
        return self.sets[-1].plan

    @property
    def slots(self) -> dict[str, np.dtype[np.void]]:
        """The type of the records in each ring of the set that calls enter now."""
        return any_records.slots(self.plan)

    def rings(self) -> dict[str, tuple[int, int]]:
        """Return descriptor and size in bytes of each of those rings, by name."""
        return self.sets[-1].rings()

    def account(self) -> tuple[dict[str, object], list[int]]:
        """Return the message `maps` and its descriptors, as of `AttachedPrograms`."""
        return self.account_of(self.sets[-1])

    def account_of(self, wanted: PlanSet) -> tuple[dict[str, object], list[int]]:
        """Return the message `maps` of a set that was loaded, and its descriptors."""
        message, descriptors = wanted.account()
        entries = [self._first.program(name) for name in self._first.entry_names()]
        about = {"programs": len(entries), "sees_both": self._first.sees_both}
        return {**message, **about}, [*descriptors, *entries]

    def load(self, plan: Plan, where: KernelFilter) -> PlanSet:
        """Return another plan's programs, for `switch_to`. Raises ProbedeckError 502.

        May be called from any thread; the caller closes what it does not switch to.
        """
        return PlanSet(plan, self._compiled, self._ring_bytes, where, is_first=False)

    def switch_to(self, wanted: PlanSet, filter_: Filter) -> None:
        """Have calls that enter from now on seen by another set, which is unloaded with this.

        On return, the sets before see no further call at entry. Raises OSError.
        """
        older = self.sets[-1]
        wanted.set_filter(filter_)
        if older is not self._first:
            wanted.pass_returns_to(older)
        self.sets.append(wanted)
        # Returns before entries, so that whatever is seen to begin is also seen to end.
        self._first.pass_returns_to(wanted)
        self._first.pass_entries_to(wanted)  # the switch, if the first set was replaced before
        if older is self._first:
            older.set_filter(filter_, enabled=False)  # the switch, and waits for running programs
        else:
            wait_for_running_programs()
            if filter_ != self._filter:
                self._set_filter_before(wanted, filter_)
        self._filter = filter_

    def retirable(self, max_sets: int) -> PlanSet | None:
        """Return the oldest set that can be retired: its calls have returned, or there are more
        sets than these.

        The first one waits for its calls, as it stays attached in any case.
        """
        for each in self.sets[:2]:
            is_last = each is self.sets[-1]
            is_cut = each is not self._first and len(self.sets) > max_sets
            if not is_last and (is_cut or not each.calls_in_progress()):
                return each
            if each is not self._first:
                break  # a newer one's returns are passed on to this one
        return None

    def cut(self, wanted: PlanSet) -> None:
        """Let a set that can be retired see no further return; on return its counters and rings
        are final. Raises OSError.
        """
        if wanted is not self._first:
            self.sets[self.sets.index(wanted) + 1].pass_returns_to(None)
        wait_for_running_programs()  # also for those that have just jumped there

    def retire(self, wanted: PlanSet) -> None:
        """Forget a set that was cut and whose rings were read; only the first one stays loaded.

        Its calls that have not returned are counted as `unfinished`. Raises OSError.
        """
        self.sets.remove(wanted)
        self._retired.update(wanted.drops())
        self._retired[UNFINISHED] += wanted.calls_in_progress()
        if wanted is not self._first:
            wanted.__exit__()

    def set_filter(self, wanted: Filter, *, enabled: bool = True) -> None:
        """Switch to another filter, in all sets, as `AttachedPrograms.set_filter` does."""
        newest = self.sets[-1]
        newest.set_filter(wanted, enabled=enabled)
        self._set_filter_before(newest, wanted)
        self._filter = wanted

    def _set_filter_before(self, newest: PlanSet, wanted: Filter) -> None:
        """Have calls in progress tested by another filter; new calls do not enter their sets."""
        for each in self.sets:
            if each is not newest:
                each.set_filter(wanted, enabled=False)

    def set_where(self, wanted: KernelFilter) -> None:
        """Switch to another `where` of the present columns; the filter stays active."""
        self.sets[-1].where = wanted
        self.sets[-1].set_filter(self._filter)

    def groups_fd(self) -> int:
        """As `AttachedPrograms.groups_fd`. The columns of what is counted never change."""
        return self._first.groups_fd()

    def ungrouped(self) -> int:
        """As `AttachedPrograms.ungrouped`."""
        return self._first.ungrouped()

    def drops(self) -> dict[str, int]:
        """Return how many events passed the filter and were lost in the kernel, by cause."""
        found = Counter(self._retired)
        for each in self.sets:
            found.update(each.drops())
        found[RECURSION] += self._first.entry_misses()
        return dict(found)

    def calls_in_progress(self) -> int:
        return sum(each.calls_in_progress() for each in self.sets)

    def detach(self) -> None:
        """Detach the programs and wait for those running; the maps stay until the context exits."""
        self._first.detach()
        for each in self.sets:
            each.detach()  # from the exits of threads

    def run_time(self) -> RunTime:
        """Return the time in the programs at calls, as `AttachedPrograms.run_time` does."""
        # The kernel counts it where programs are attached, whatever these jump to.
        return self._first.run_time()

    def unseen(self) -> list[str]:
        """Return which programs do not run, in words. Raises OSError."""
        # A switch for all such programs is off, or the function's module has been unloaded, which
        # ends a kprobe for ever. There are no canaries, as an arbitrary function cannot be called.
        hook = self.plan.hook
        # Links to many functions are ftrace's: the switch for kprobes does not concern them.
        by_ftrace = self.plan.hook.way in (MULTI, SESSION)
        if is_switched_off("fentry" if by_ftrace else self.plan.mode):
            return [hook.name]
        if hook.module is not None and loaded_module(hook.module) != self._module:
            return [f"{hook.name}: its module {hook.module} was unloaded"]
        return []
