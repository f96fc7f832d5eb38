# SPDX-License-Identifier: Apache-2.0
"""Forking this process into a child of its own parent: clone(2) with CLONE_PARENT.

os.fork() makes the child ours, so that only we could wait for it, and it would end with us.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from app.linux.libc import check
from app.linux.syscalls import number_of

CLONE_PARENT, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID = 0x8000, 0x200000, 0x1000000
PR_GET_TID_ADDRESS = 40  # linux/prctl.h

# As os.fork() does, these calls keep the interpreter's lock.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_python = ctypes.pythonapi


def fork_sibling() -> int:
    """Fork; return the child's process id here, and 0 in the child.

    Raises OSError where the kernel, or a container's seccomp filter, refuses, and EBUSY if this
    process has another thread, which would be missing in the child.
    """
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        raise OSError(errno.EBUSY, "only a process of one thread can be forked")
    # The C library keeps the thread's id at this address, and fork() has the kernel set it in the
    # child (sysdeps/unix/sysv/linux/arch-fork.h in glibc).
    tid_address = ctypes.c_void_p()
    check(_libc.prctl(PR_GET_TID_ADDRESS, ctypes.byref(tid_address), 0, 0, 0), "prctl")
    flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID
    # Flags, stack, parent's address, child's address and tls; the last two change places with the
    # architecture, and without CLONE_SETTLS tls is not looked at. Not clone3(2), which systemd's
    # RestrictNamespaces= forbids, as a filter cannot see its flags.
    address = tid_address.value or 0
    clone = number_of("clone")
    _python.PyOS_BeforeFork()
    pid: int = _libc.syscall(
        ctypes.c_long(clone), *map(ctypes.c_ulong, (flags, 0, 0, address, address))
    )
    number = ctypes.get_errno()
    if pid == 0:
        _python.PyOS_AfterFork_Child()
        return 0
    _python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(number, os.strerror(number), "clone")
    return pid
