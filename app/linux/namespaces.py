# SPDX-License-Identifier: Apache-2.0
"""Namespaces and mounts: calls that Python has only since 3.12, or not at all.

Each raises OSError. Constants are from linux/sched.h, linux/mount.h and linux/sockios.h.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import threading

from app.linux.libc import check, libc
from app.linux.syscalls import syscall

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
MOUNT_ATTR_RDONLY = 1
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def unshare(flags: int) -> None:
    """Move the calling thread to new namespaces; unshare(2)."""
    check(libc.unshare(flags), "unshare")


def enter(namespace: int) -> None:
    """Move the calling thread to the namespace that a descriptor refers to; setns(2)."""
    check(libc.setns(namespace, 0), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount a file system; mount(2)."""
    done = libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    check(done, target)


def unmount(target: str) -> None:
    """Detach a mount, and those below it, from this mount namespace; umount2(2)."""
    check(libc.umount2(os.fsencode(target), MNT_DETACH), target)


def make_read_only(target: str) -> None:
    """Make a mount and all mounts below it read-only in this namespace; since Linux 5.12."""
    _set_attributes(target, AT_RECURSIVE, attr_set=MOUNT_ATTR_RDONLY)


def make_writable(target: str) -> None:
    """Make one mount writable again; since Linux 5.12."""
    _set_attributes(target, 0, attr_clear=MOUNT_ATTR_RDONLY)


def new_network() -> int:
    """Return a descriptor of a new network namespace, whose only interface is a loopback, up.

    The namespace lives as long as a descriptor or a process holds it.
    """
    made: list[int] = []
    failed: list[OSError] = []

    def build() -> None:
        try:
            unshare(CLONE_NEWNET)
            _raise_loopback()
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            failed.append(error)

    # unshare(2) moves the calling thread only: a thread of its own leaves the others in place.
    thread = threading.Thread(target=build)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh22x", b"lo", 0)
        _, flags = struct.unpack("16sh22x", fcntl.ioctl(control, SIOCGIFFLAGS, request))
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def _set_attributes(target: str, flags: int, attr_set: int = 0, attr_clear: int = 0) -> None:
    # struct mount_attr: attr_set, attr_clr, propagation, userns_fd
    attributes = struct.pack("=QQQQ", attr_set, attr_clear, 0, 0)
    syscall(
        "mount_setattr",
        ctypes.c_long(AT_FDCWD),
        os.fsencode(target),
        ctypes.c_ulong(flags),
        attributes,
        ctypes.c_size_t(len(attributes)),
        about=target,
    )
