# SPDX-License-Identifier: Apache-2.0
"""Dropping the capabilities that tracing does not need: capabilities(7), prctl(2), capset(2)."""

from __future__ import annotations

import ctypes
from pathlib import Path

from app.linux.libc import check, libc, prctl

# Numbers from linux/capability.h, and what each is needed for.
KEPT = {
    "CAP_DAC_READ_SEARCH": 2,  # read the project and its environment in a home that is private
    "CAP_SYS_ADMIN": 21,  # tracefs (fsmount); BPF_ENABLE_STATS; BPF_BTF_GET_FD_BY_ID
    "CAP_SYS_RESOURCE": 24,  # locked memory for BPF maps, before Linux 5.11
    "CAP_PERFMON": 38,  # attach to kernel functions and tracepoints
    "CAP_BPF": 39,  # load programs, make maps, read their counters
}
PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 23, 24, 38  # linux/prctl.h
LINUX_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h
LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    """struct __user_cap_data_struct: 32 capabilities of each set; two of it, low first."""

    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def drop_capabilities() -> None:
    """Drop all capabilities but `KEPT`, for this thread and every program that it or its children
    execute. Raises OSError.

    Capabilities are per thread: call it while the process has one.
    """
    kept = sum(1 << number for number in KEPT.values())
    for number in range(int(LAST_CAPABILITY.read_text()) + 1):
        if not kept >> number & 1 and prctl(PR_CAPBSET_READ, number):
            prctl(PR_CAPBSET_DROP, number)
    header = _Header(LINUX_CAPABILITY_VERSION_3, 0)
    sets = (_Sets * 2)()
    check(libc.capget(ctypes.byref(header), sets))
    for half in range(2):
        sets[half].permitted &= kept >> 32 * half & 0xFFFFFFFF
        sets[half].effective = sets[half].permitted
        sets[half].inheritable = 0
    check(libc.capset(ctypes.byref(header), sets))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
