"""The BPF programs of one mode: compiled by BCC, attached, filtered, detached."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Any

from bcc import BPF

from app.errors import ProbedeckError
from app.kernel.bpf import prog_info
from app.kernel.syscalls import wait_for_running_programs
from app.probes.modes import DELETION_SYSCALLS, MODES
from app.probes.spec import Filter
from app.tracer.cost import RunTime
from app.tracer.records import CALLS_ENTERED, CALLS_LEFT, DROP_KINDS, NAME_BYTES

SOURCES = Path(__file__).resolve().parents[2] / "bpf"

TEST_PID, TEST_UID, TEST_COMM, TEST_FAILURE = 1, 2, 4, 8


class _FilterStruct(ctypes.Structure):
    """struct filter of bpf/record.c."""

    _fields_ = (
        ("enabled", ctypes.c_uint32),
        ("tests", ctypes.c_uint32),
        ("pid", ctypes.c_uint32),
        ("uid", ctypes.c_uint32),
        ("comm", ctypes.c_char * 16),
    )


def filter_struct(wanted: Filter, enabled: bool) -> _FilterStruct:
    """The kernel's form of a filter."""
    tests = (
        (TEST_PID if wanted.pid is not None else 0)
        | (TEST_UID if wanted.uid is not None else 0)
        | (TEST_COMM if wanted.comm is not None else 0)
        | (TEST_FAILURE if wanted.only_failures else 0)
    )
    return _FilterStruct(
        int(enabled), tests, wanted.pid or 0, wanted.uid or 0, (wanted.comm or "").encode()
    )


def source(mode: str) -> str:
    """The C text of a mode: the shared part, then its own, with line numbers of each file."""
    return "".join(
        f'#line 1 "bpf/{name}"\n{(SOURCES / name).read_text()}'
        for name in ("record.c", f"{mode}.c")
    )


def compiler_flags(mode: str, function: str, ring_bytes: int) -> list[str]:
    """Definitions for the C text; `function` must come from the kernel's own symbols."""
    flags = [f"-DRING_PAGES={ring_bytes // os.sysconf('SC_PAGE_SIZE')}"]
    if MODES[mode].sees_return:
        flags.append("-DSEES_RETURN")
    if mode == "tracepoint":
        flags.append("-DNAME_IN_USER_MEMORY")
    elif function.isidentifier() and function.isascii():
        flags.append(f"-DFUNCTION={function}")
    else:
        raise ValueError(f"{function!r} is not a C identifier")
    return flags


def _is_at_entry(program: bytes) -> bool:
    return program.startswith((b"kfunc__", b"on_en"))  # on_entry, on_enter_*


class Programs:
    """A mode's programs in the kernel. A context manager: leaving it detaches and unloads.

    They are attached in a disabled state; `set_filter` with `enabled` lets events through, so
    that every call seen at entry is also seen at return, and no event passes the wrong filter.
    """

    def __init__(self, mode: str, function: str, ring_bytes: int) -> None:
        self.mode = mode
        self._ring_bytes = ring_bytes
        self._active = 0
        try:
            self._bpf: Any = BPF(
                text=source(mode), cflags=compiler_flags(mode, function, ring_bytes)
            )
            self._attach(function)
        except Exception as error:
            raise ProbedeckError(502, "tracer_failed", f"BCC could not attach: {error}") from error

    def _attach(self, function: str) -> None:
        # fentry and fexit are attached by BCC itself, by the names of their functions.
        if self.mode in ("kprobe", "kretprobe"):
            if self.mode == "kretprobe":
                self._bpf.attach_kretprobe(event=function.encode(), fn_name=b"on_return")
            self._bpf.attach_kprobe(event=function.encode(), fn_name=b"on_entry")
        elif self.mode == "tracepoint":
            for call in DELETION_SYSCALLS:
                self._bpf.attach_tracepoint(
                    tp=f"syscalls:sys_exit_{call}".encode(), fn_name=b"on_exit"
                )
            for call in DELETION_SYSCALLS:
                self._bpf.attach_tracepoint(
                    tp=f"syscalls:sys_enter_{call}".encode(), fn_name=f"on_enter_{call}".encode()
                )

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, *exc: object) -> None:
        self._bpf.cleanup()

    def rings(self) -> dict[str, tuple[int, int]]:
        """Name of each ring -> its map's descriptor and its size in bytes."""
        return {
            name: (
                self._bpf[name.encode()].map_fd,
                self._ring_bytes if name == "ring_short" else self._ring_bytes // 2,
            )
            for name in NAME_BYTES
        }

    def set_filter(self, wanted: Filter, *, enabled: bool = True) -> None:
        """Switch to another filter; on return no program tests the old one any more."""
        spare = 1 - self._active
        filters, active = self._bpf[b"filters"], self._bpf[b"active_filter"]
        filters[ctypes.c_int(spare)] = filters.Leaf.from_buffer_copy(
            bytes(filter_struct(wanted, enabled))
        )
        active[ctypes.c_int(0)] = ctypes.c_uint32(spare)
        self._active = spare
        wait_for_running_programs()

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
            prog_info(function.fd).recursion_misses or 0
            for name, function in self._bpf.funcs.items()
            if _is_at_entry(name)
        )

    def run_time(self) -> RunTime:
        """Time in all programs and calls that entered, as far as the kernel counted them."""
        infos = {name: prog_info(function.fd) for name, function in self._bpf.funcs.items()}
        return RunTime(
            sum(info.run_time_ns for info in infos.values()),
            sum(info.run_cnt for name, info in infos.items() if _is_at_entry(name)),
        )

    def calls_in_progress(self) -> int:
        """Calls seen at entry whose return was not; 0 for entry modes."""
        return self._count(CALLS_ENTERED) - self._count(CALLS_LEFT)

    def _count(self, index: int) -> int:
        return int(self._bpf[b"counts"].sum(index).value)

    def wait_for_returns(self, timeout_s: float) -> None:
        """After disabling: let calls that are under way return and be emitted."""
        deadline = time.monotonic() + timeout_s
        while self.calls_in_progress() and time.monotonic() < deadline:
            time.sleep(0.002)

    def detach(self) -> None:
        """Take the programs off their hooks and wait for those running; the maps stay until
        the context is left."""
        for event in list(self._bpf.kprobe_fds):
            self._bpf.detach_kprobe_event(event)
        for point in list(self._bpf.tracepoint_fds):
            self._bpf.detach_tracepoint(point)
        for function in list(self._bpf.kfunc_entry_fds):
            self._bpf.detach_kfunc(function)
        for function in list(self._bpf.kfunc_exit_fds):
            self._bpf.detach_kretfunc(function)
        wait_for_running_programs()
