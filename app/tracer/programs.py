# SPDX-License-Identifier: Apache-2.0
"""The BPF programs of one mode: loaded, attached, filtered, detached."""

from __future__ import annotations

import ctypes
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.errors import ProbedeckError
from app.kernel.feature_probes import in_words
from app.kernel.renames import INNER
from app.kernel.traced_calls import DELETION_SYSCALLS, RENAME_SYSCALLS
from app.linux import tracefs
from app.linux.bpf import ProgInfo
from app.linux.syscalls import wait_for_running_programs
from app.probes.drops import PROGRAM_DROPS, RECURSION
from app.probes.spec import Filter
from app.tracer import canary
from app.tracer.compiled_object import CompiledObject
from app.tracer.cost import RunTime
from app.tracer.loader import LoadedObject
from app.tracer.records import (
    CALLS_ENTERED,
    CALLS_LEFT,
    CANARIES,
    CANARY_MISSED_AT,
    NAME_BYTES,
)
from app.tracer.rings import slot_dtype

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


def _misses_at_entry(infos: Mapping[str, ProgInfo]) -> int:
    return sum(info.recursion_misses or 0 for name, info in infos.items() if _is_at_entry(name))


def runs_at_entry(infos: Mapping[str, ProgInfo]) -> int:
    """How often a traced call entered: what runs inside of one is no call more."""
    return sum(
        info.run_cnt
        for name, info in infos.items()
        if _is_at_entry(name) and not name.endswith(f"__{INNER}")
    )


def _run_time_ns(infos: Mapping[str, ProgInfo]) -> int:
    return sum(info.run_time_ns for info in infos.values())


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
        # Of our canaries: how many there were, the time that they took of what the kernel measured,
        # and the shortest of them, in all programs.
        self._canaries = 0
        self._canaries_ns = 0.0
        self._canary_ns: float | None = None
        try:
            self._object = LoadedObject(compiled)
            # What reaches everything that is attached.
            self._canary_calls = canary.calls_of(mode, self._object.program_names())
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
        with tracefs.opened() as place:
            if self.mode in ("kprobe", "kretprobe"):
                self._attach_kprobes(names, function, place)
            else:
                self._attach_syscalls(place)

    def _attach_kprobes(self, names: Sequence[str], function: str, place: Path) -> None:
        programs = self._object
        own_function = {name: name.partition("probe__")[2] or function for name in names}
        returns = [name for name in names if name.startswith(("on_return", "kretprobe__"))]
        programs.attach_kretprobes({name: own_function[name] for name in returns}, place)
        for name in names:
            if name.startswith(("on_entry", "kprobe__")):
                programs.attach_kprobe(name, own_function[name], at_return=False)

    def _attach_syscalls(self, place: Path) -> None:
        calls = DELETION_SYSCALLS + RENAME_SYSCALLS
        attach = self._object.attach_tracepoint
        for call in calls:
            attach("on_exit", place, "syscalls", f"sys_exit_{call}")
        for call in calls:
            attach(f"on_enter_{call}", place, "syscalls", f"sys_enter_{call}")

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, *exc: object) -> None:
        self._object.__exit__(*exc)

    def rings(self) -> dict[str, tuple[int, int]]:
        """Name of each ring -> its map's descriptor and its size in bytes."""
        maps = self._object.maps
        return {name: (maps[name].fd, maps[name].spec.max_entries) for name in NAME_BYTES}

    def account(self) -> tuple[dict[str, object], list[int]]:
        """What the service needs to read the totals of this run when this process has died: the
        message `maps` (docs/protocol.md), and its descriptors in the order that it says."""
        rings = [self._object.maps[name].fd for name in NAME_BYTES]
        message = {
            "type": "maps",
            "rings": [slot_dtype(size).itemsize for size in NAME_BYTES.values()],
            "drops": {kind: index for index, kind in enumerate(PROGRAM_DROPS)},
            "entered": CALLS_ENTERED,
            "left": CALLS_LEFT,
            "canary_missed_at": CANARY_MISSED_AT,
        }
        at_entry = [fd for name, fd in self._object.programs().items() if _is_at_entry(name)]
        maps = self._object.maps
        return message, [*rings, maps["counts"].fd, maps["canary"].fd, *at_entry]

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
        result = {kind: self._count(index) for index, kind in enumerate(PROGRAM_DROPS)}
        result[RECURSION] = self._recursion_misses()
        return result

    def _recursion_misses(self) -> int:
        """Calls that the kernel did not show our programs at entry, since they were loaded.

        A program that is preempted by a task which calls the same function on the same CPU is
        not run again there (bpf_prog_enter, kernel/bpf/trampoline.c). Misses at
        return are not added: such a call is counted already, as `missed_return` or `unfinished`.
        """
        misses = _misses_at_entry(self._object.infos())
        return misses - canary.missed(self._object.maps["canary"])

    def run_time(self) -> RunTime:
        """Time in all programs and calls that entered, as far as the kernel counted them.

        Only differences say something: canaries, of all tracers, are always counted.
        """
        infos = self._object.infos()
        canaries = self._count(CANARIES)
        return RunTime(
            round(_run_time_ns(infos) - self._canaries_ns),
            runs_at_entry(infos) - canaries,
            canaries - self._canaries,
            self._canary_ns or 0.0,
        )

    def send_canaries(self) -> list[str]:
        """Call what is traced, and see whether the programs ran: what did not run, in words.

        The calls are in no count. Raises OSError.
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
        time_ns = _run_time_ns(after) - _run_time_ns(before)
        if 0 < runs == count:  # the kernel is measuring, and nothing else was called
            self._canaries_ns += time_ns
            self._canary_ns = min(time_ns / count, self._canary_ns or time_ns / count)
        elif runs:
            self._canaries_ns += count * (self._canary_ns or time_ns / runs)

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
