# SPDX-License-Identifier: Apache-2.0
"""What may be traced instead of an entry of the index, by the kernel's names alone.

Whether it is there, and works on this kernel, is `app.probes.alternatives`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.kernel.functions import FUNCTION, SYSCALL, Entry, Facts


@dataclass(frozen=True)
class Instead:
    """Something that can be traced instead, and what is different about it."""

    kind: str
    name: str
    note: str


_TWIN_NOTE = (
    "the compiler made it of {name}: kprobe and kretprobe by this name; its arguments may be "
    "shifted or missing, and calls that were inlined are not seen"
)
_CALL_NOTE = "the system call's own tracepoints: arguments, result and latency"
_ENTRY_NOTE = "the function that the system call enters the kernel by; it takes `struct pt_regs *`"
_CALLER_NOTE = (
    "traces calls of {call}{where}, by which programs reach {name}; its other callers are not seen"
)
# The body of a system call that other kernel code calls as well: __sys_connect, ksys_read.
_BODIES = ("__sys_", "ksys_", "do_sys_")
_ON_TCP, _ON_UDP = " (of any socket, not only TCP)", " (of any socket, not only UDP)"
# Well-known functions that programs reach by few system calls, on every kernel since 5.8: those
# calls, the most frequent first, and what else they do.
_READ, _WRITE = (("read", "pread64"), ""), (("write", "pwrite64"), "")
_SEND, _RECEIVE = ("sendto", "sendmsg", "write"), ("recvfrom", "recvmsg", "read")
_OPEN = (("openat", "open", "openat2", "creat"), "")
_CLONE = (("clone", "clone3", "fork", "vfork"), "")
_REACHED_BY: dict[str, tuple[tuple[str, ...], str]] = {
    "vfs_read": _READ,
    "vfs_write": _WRITE,
    "vfs_readv": (("readv", "preadv"), ""),
    "vfs_writev": (("writev", "pwritev"), ""),
    "vfs_fsync_range": (("fsync", "fdatasync"), ""),
    "vfs_statx": (("newfstatat", "statx"), ""),
    "vfs_mkdir": (("mkdir", "mkdirat"), ""),
    "do_mkdirat": (("mkdir", "mkdirat"), ""),
    "do_sys_open": _OPEN,
    "do_sys_openat2": _OPEN,
    "do_filp_open": _OPEN,
    "kernel_clone": _CLONE,
    "copy_process": _CLONE,
    "bprm_execve": (("execve", "execveat"), ""),
    "do_mmap": (("mmap",), ""),
    "do_futex": (("futex",), ""),
    "do_epoll_wait": (("epoll_wait", "epoll_pwait"), ""),
    "tcp_connect": (("connect",), _ON_TCP),
    "tcp_v4_connect": (("connect",), _ON_TCP),
    "tcp_v6_connect": (("connect",), _ON_TCP),
    "inet_csk_accept": (("accept4", "accept"), _ON_TCP),
    "tcp_sendmsg": (_SEND, _ON_TCP),
    "tcp_recvmsg": (_RECEIVE, _ON_TCP),
    "udp_sendmsg": (_SEND, _ON_UDP),
    "udp_recvmsg": (_RECEIVE, _ON_UDP),
}


def same_calls(entry: Entry) -> Iterator[Instead]:
    """Yield what traces the calls of an entry itself: the system call whose entry a function is,
    and the other way round; what the compiler made of a function that is not there.
    """
    if entry.syscall:
        yield Instead(SYSCALL, entry.syscall, _CALL_NOTE)
    if entry.function:
        yield Instead(FUNCTION, entry.function, _ENTRY_NOTE)
    if not entry.facts & Facts.SYMBOL:
        note = _TWIN_NOTE.format(name=entry.name)
        yield from (Instead(FUNCTION, twin, note) for twin in entry.twins)


def callers(entry: Entry) -> Iterator[Instead]:
    """Yield the system calls by which programs reach a well-known function."""
    if entry.kind != FUNCTION or entry.module:
        return
    name = entry.twin_of or entry.name
    bodies = tuple(name.removeprefix(each) for each in _BODIES if name.startswith(each))
    calls, where = _REACHED_BY.get(name, (bodies, ""))
    for call in calls:
        yield Instead(SYSCALL, call, _CALLER_NOTE.format(call=call, where=where, name=name))
