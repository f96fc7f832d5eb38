# SPDX-License-Identifier: Apache-2.0
"""The BPF programs of one mode: loaded, attached, filtered, detached."""

from __future__ import annotations

import ctypes
import struct
import time

from app.errors import ProbedeckError
from app.kernel.syscalls import wait_for_running_programs
from app.kernel.tracefs import find_or_mount, own_mounts
from app.kernel.trials import in_words
from app.probes.modes import DELETION_SYSCALLS, RENAME_SYSCALLS
from app.probes.spec import Filter
from app.tracer.cost import RunTime
from app.tracer.loader import LoadedObject
from app.tracer.object import CompiledObject
from app.tracer.records import CALLS_ENTERED, CALLS_LEFT, DROP_KINDS, NAME_BYTES

TEST_PID, TEST_UID, TEST_COMM, TEST_FAILURE, TEST_PROCESS = 1, 2, 4, 8, 16


class _FilterStruct(ctypes.Structure):
    """struct filter of bpf/record.c."""

    _fields_ = (
        ("enabled", ctypes.c_uint32),
        ("tests", ctypes.c_uint32),
        ("pid", ctypes.c_uint32),
        ("uid", ctypes.c_uint32),
        ("comm", ctypes.c_char * 16),
        ("process", ctypes.c_char * 16),
    )


def filter_struct(wanted: Filter, enabled: bool) -> _FilterStruct:
    """The kernel's form of a filter."""
    tests = (
        (TEST_PID if wanted.pid is not None else 0)
        | (TEST_UID if wanted.uid is not None else 0)
        | (TEST_COMM if wanted.comm is not None else 0)
        | (TEST_FAILURE if wanted.only_failures else 0)
        | (TEST_PROCESS if wanted.process is not None else 0)
    )
    return _FilterStruct(
        int(enabled),
        tests,
        wanted.pid or 0,
        wanted.uid or 0,
        (wanted.comm or "").encode(),
        (wanted.process or "").encode(),
    )


def _is_at_entry(program: str) -> bool:
    return program.startswith(("kfunc__", "kprobe__", "on_en"))  # on_entry, on_enter_*


def _attach_order(program: str) -> int:
    starts = ("raw_tracepoint__", "kretfunc__", "kretprobe__", "on_return", "on_exit")
    return next((place for place, start in enumerate(starts) if program.startswith(start)), 9)


def _u32(number: int) -> bytes:
    return struct.pack("=I", number)


class Programs:
    """A mode's programs in the kernel. A context manager: leaving it detaches and unloads.

    They are attached in a disabled state; `set_filter` with `enabled` lets events through, so
    that every call seen at entry is also seen at return, and no event passes the wrong filter.
    """

    def __init__(self, mode: str, function: str, compiled: CompiledObject) -> None:
        self.mode = mode
        self._generation = 0  # of the filter; its lowest bit is the slot in force
        self._was_set = False
        try:
            self._object = LoadedObject(compiled)
            try:
                self._attach(function)
            except BaseException:
                self._object.__exit__()
                raise
        except OSError as error:
            raise ProbedeckError(
                502, "tracer_failed", f"the kernel refused the programs: {in_words(error)}"
            ) from error

    def _attach(self, function: str) -> None:
        # Ends of threads before returns, and those before entries.
        programs = self._object
        names = sorted(programs.program_names(), key=_attach_order)
        for name in names:
            if name.startswith("raw_tracepoint__"):
                programs.attach_raw_tracepoint(name, name.removeprefix("raw_tracepoint__"))
        if self.mode in ("fentry", "fexit"):
            for name in names:
                if name.startswith(("kfunc__", "kretfunc__")):
                    programs.attach_tracing(name)
            return
        if self.mode == "kprobe" and "on_entry" in names and len(names) == 1:
            programs.attach_kprobe("on_entry", function, at_return=False)
            return
        own_mounts()  # before the kernel mounts one inside debugfs for us, and for everyone
        tracefs = find_or_mount()
        if self.mode in ("kprobe", "kretprobe"):
            own_function = {name: name.partition("probe__")[2] or function for name in names}
            returns = [name for name in names if name.startswith(("on_return", "kretprobe__"))]
            programs.attach_kretprobes({name: own_function[name] for name in returns}, tracefs)
            for name in names:
                if name.startswith(("on_entry", "kprobe__")):
                    programs.attach_kprobe(name, own_function[name], at_return=False)
        else:
            calls = DELETION_SYSCALLS + RENAME_SYSCALLS
            for call in calls:
                programs.attach_tracepoint("on_exit", tracefs, "syscalls", f"sys_exit_{call}")
            for call in calls:
                programs.attach_tracepoint(
                    f"on_enter_{call}", tracefs, "syscalls", f"sys_enter_{call}"
                )

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, *exc: object) -> None:
        self._object.__exit__(*exc)

    def rings(self) -> dict[str, tuple[int, int]]:
        """Name of each ring -> its map's descriptor and its size in bytes."""
        maps = self._object.maps
        return {name: (maps[name].fd, maps[name].spec.max_entries) for name in NAME_BYTES}

    def set_filter(self, wanted: Filter, *, enabled: bool = True) -> None:
        """Switch to another filter; on return no program tests the old one any more.

        A call that is under way then is shown when it passes both: the one in force when it
        entered and, at its return, this one. The first one is not waited for: before it,
        programs let nothing through.
        """
        generation = (self._generation + 1) & 0xFFFFFFFF
        maps = self._object.maps
        maps["filters"].set(_u32(generation & 1), bytes(filter_struct(wanted, enabled)))
        maps["active_filter"].set(_u32(0), _u32(generation))
        self._generation = generation
        if self._was_set:
            wait_for_running_programs()
        self._was_set = True

    def drops(self) -> dict[str, int]:
        """Events that passed the filter and were lost in the kernel, by cause, since the start."""
        result = {kind: self._count(index) for index, kind in enumerate(DROP_KINDS)}
        result["recursion"] = self._recursion_misses()
        return result

    def _recursion_misses(self) -> int:
        """Calls that the kernel did not show our programs at entry, since they were loaded.

        A program that is preempted by a task which calls the same function on the same CPU is
        not run again there (bpf_prog_enter, kernel/bpf/trampoline.c). Misses at
        return are not added: such a call is counted already, as `missed_return` or `unfinished`.
        """
        return sum(
            info.recursion_misses or 0
            for name, info in self._object.infos().items()
            if _is_at_entry(name)
        )

    def run_time(self) -> RunTime:
        """Time in all programs and calls that entered, as far as the kernel counted them."""
        infos = self._object.infos()
        return RunTime(
            sum(info.run_time_ns for info in infos.values()),
            sum(info.run_cnt for name, info in infos.items() if _is_at_entry(name)),
        )

    def calls_in_progress(self) -> int:
        """Calls seen at entry whose return was not; 0 for entry modes."""
        return self._count(CALLS_ENTERED) - self._count(CALLS_LEFT)

    def _count(self, index: int) -> int:
        return self._object.maps["counts"].sum(_u32(index))

    def wait_for_returns(self, timeout_s: float) -> None:
        """After disabling: let calls that are under way return and be emitted."""
        deadline = time.monotonic() + timeout_s
        while self.calls_in_progress() and time.monotonic() < deadline:
            time.sleep(0.002)

    def detach(self) -> None:
        """Take the programs off their hooks and wait for those running; the maps stay until
        the context is left."""
        self._object.detach()
        wait_for_running_programs()
