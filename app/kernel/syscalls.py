# SPDX-License-Identifier: Apache-2.0
"""System calls that Python has no function for, by ctypes; failures are OSError."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time

# Numbers from arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
_NUMBERS = {
    "x86_64": {"bpf": 321, "membarrier": 324, "perf_event_open": 298},
    "aarch64": {"bpf": 280, "membarrier": 283, "perf_event_open": 241},
}
_MACHINE = os.uname().machine
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
)

CLONE_NEWNS = 0x20000
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MEMBARRIER_CMD_GLOBAL = 1


def bpf(command: int, attributes: ctypes.Structure) -> int:
    """bpf(2) with one command's part of `union bpf_attr`; raises OSError."""
    size = ctypes.sizeof(attributes)
    return _call("bpf", ctypes.c_long(command), ctypes.byref(attributes), ctypes.c_ulong(size))


def perf_event_open(attributes: ctypes.Structure, pid: int, cpu: int, flags: int) -> int:
    """perf_event_open(2) without a group; returns the descriptor, raises OSError."""
    return _call(
        "perf_event_open",
        ctypes.byref(attributes),
        ctypes.c_long(pid),
        ctypes.c_long(cpu),
        ctypes.c_long(-1),
        ctypes.c_ulong(flags),
    )


def wait_for_running_programs() -> None:
    """Return once every BPF program that is running now has ended; raises OSError.

    MEMBARRIER_CMD_GLOBAL is synchronize_rcu() (kernel/sched/membarrier.c), and tracing programs
    run under rcu_read_lock() or with preemption off. A kernel booted with nohz_full refuses it:
    there we wait for longer than a program can take unless it is preempted all the time.
    """
    zero = ctypes.c_long(0)
    try:
        _call("membarrier", ctypes.c_long(MEMBARRIER_CMD_GLOBAL), zero, zero)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        time.sleep(0.2)


def end_with_parent() -> None:
    """Have this process killed when the thread that started it ends; raises OSError."""
    _check(_libc.prctl(ctypes.c_int(PR_SET_PDEATHSIG), ctypes.c_ulong(signal.SIGKILL)))


def set_process_name(name: str) -> None:
    """What ps and top show: at most 15 bytes; raises OSError."""
    _check(_libc.prctl(ctypes.c_int(PR_SET_NAME), name.encode()))


def unshare(flags: int) -> None:
    """unshare(2), for the calling thread; raises OSError. (os.unshare came with Python 3.12.)"""
    _check(_libc.unshare(ctypes.c_int(flags)))


def mount(source: str, target: str, kind: str, flags: int) -> None:
    """mount(2) without data; raises OSError."""
    _check(_libc.mount(source.encode(), target.encode(), kind.encode(), flags, None), target)


def _call(name: str, *arguments: object) -> int:
    numbers = _NUMBERS.get(_MACHINE)
    if numbers is None:
        raise OSError(None, f"the number of {name} is not known for {_MACHINE}")
    return _check(_libc.syscall(ctypes.c_long(numbers[name]), *arguments))


def _check(result: int, path: str | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result
