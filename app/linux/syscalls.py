# SPDX-License-Identifier: Apache-2.0
"""System calls that Python has no function for; failures raise OSError."""

from __future__ import annotations

import ctypes
import errno
import os
import time

from app.linux.libc import check, libc

# Numbers from arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
_NUMBERS = {
    "x86_64": {
        "bpf": 321,
        "clone": 56,
        "membarrier": 324,
        "perf_event_open": 298,
        "rename": 82,
        "renameat": 264,
        "renameat2": 316,
        "rmdir": 84,
        "unlink": 87,
        "unlinkat": 263,
    },
    "aarch64": {
        "bpf": 280,
        "clone": 220,
        "membarrier": 283,
        "perf_event_open": 241,
        "renameat": 38,
        "renameat2": 276,
        "unlinkat": 35,
    },
}
_EVERYWHERE = {"fsopen": 430, "fsconfig": 431, "fsmount": 432, "mount_setattr": 442}
_MACHINE = os.uname().machine

MEMBARRIER_CMD_GLOBAL = 1
FSOPEN_CLOEXEC, FSCONFIG_CMD_CREATE, FSMOUNT_CLOEXEC = 1, 6, 1  # include/uapi/linux/mount.h
MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 2, 4, 8


def bpf(command: int, attributes: ctypes.Structure) -> int:
    """bpf(2) with one command's part of `union bpf_attr`; raises OSError."""
    size = ctypes.sizeof(attributes)
    return syscall("bpf", ctypes.c_long(command), ctypes.byref(attributes), ctypes.c_ulong(size))


def perf_event_open(attributes: ctypes.Structure, pid: int, cpu: int, flags: int) -> int:
    """perf_event_open(2) without a group; returns the descriptor, raises OSError."""
    return syscall(
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
    run under rcu_read_lock() or with preemption off. A kernel booted with nohz_full refuses it
    (EINVAL): then wait longer than a program takes, unless it is preempted all the time.
    """
    zero = ctypes.c_long(0)
    try:
        syscall("membarrier", ctypes.c_long(MEMBARRIER_CMD_GLOBAL), zero, zero)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        time.sleep(0.2)


def fail_to(call: str, token: int) -> None:
    """Make a deleting or renaming system call fail with EFAULT, by names that cannot be read.

    The names' address is 0xffffffff00000000 + `token` (32 bits): it is in the kernel's half of
    the address space, from which the kernel never reads a user's string. The directory
    descriptors are `token`. Raises OSError when the call fails for another reason.
    """
    name = ctypes.c_ulong(0xFFFFFFFF << 32 | token)
    dfd = ctypes.c_long(ctypes.c_int(token).value)
    arguments = {
        "unlink": (name,),
        "unlinkat": (dfd, name, ctypes.c_long(0)),
        "rmdir": (name,),
        "rename": (name, name),
        "renameat": (dfd, name, dfd, name),
        "renameat2": (dfd, name, dfd, name, ctypes.c_long(0)),
    }
    try:
        syscall(call, *arguments[call])
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise


def detached_mount(kind: str) -> int:
    """Return a descriptor of a new mount of a file system without a device; raises OSError.

    It belongs to no mount namespace, so no other process sees it, and it is unmounted when the
    descriptor is closed. fsmount(2), since Linux 5.2.
    """
    context = syscall("fsopen", kind.encode(), ctypes.c_ulong(FSOPEN_CLOEXEC))
    try:
        nothing = ctypes.c_void_p(None)
        syscall(
            "fsconfig",
            ctypes.c_long(context),
            ctypes.c_ulong(FSCONFIG_CMD_CREATE),
            nothing,
            nothing,
            ctypes.c_long(0),
        )
        attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
        return syscall(
            "fsmount",
            ctypes.c_long(context),
            ctypes.c_ulong(FSMOUNT_CLOEXEC),
            ctypes.c_ulong(attributes),
        )
    finally:
        os.close(context)


def syscall(name: str, *arguments: object, about: str | None = None) -> int:
    """Make a system call by name. Raises OSError, with the file that it is `about`."""
    return check(libc.syscall(ctypes.c_long(number_of(name)), *arguments), about)


def number_of(name: str) -> int:
    """Return a system call's number on this machine; raises OSError."""
    numbers = {**_EVERYWHERE, **_NUMBERS.get(_MACHINE, {})}
    if name not in numbers:
        raise OSError(errno.ENOSYS, f"the number of {name} is not known for {_MACHINE}")
    return numbers[name]
