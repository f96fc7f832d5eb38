# SPDX-License-Identifier: Apache-2.0
"""What is traced beside deletions, with the same for bpftrace: calls in a tight loop. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.bpftrace_script import BEGIN


@dataclass(frozen=True)
class Target:
    """`call` is the workload's; `spec` starts the probe; `program` is bpftrace's, with a place
    for the process id. It prints a row as benchmarks/bpftrace_output.py reads it."""

    call: str
    spec: Mapping[str, Any]
    program: str

    def script(self, pid: int) -> str:
        """Return bpftrace's program for one process."""
        return BEGIN + self.program.replace("PID", str(pid))


_HEAD = r'printf("%lld %d %d %d %s %d %s %d'
_READ_NAME = "file->f_path.dentry->d_name.name"
# bpftrace's path() is bpf_d_path, which the kernel does not allow in vfs_read: names only.
_READS = (
    f"kretfunc:vfs_read /pid == PID/ {{ {_HEAD}"
    rf'\n", nsecs, pid, tid, uid, comm, args->count, str(args->{_READ_NAME}), retval); }}'
    "\n"
)

# By system call, so on every kernel.
OPENS = "openat: filename, ret"
EVERYWHERE = {
    OPENS: Target(
        "openat",
        {"syscall": "openat", "columns": ["filename"]},
        "tracepoint:syscalls:sys_enter_openat /pid == PID/ "
        "{ @start[tid] = nsecs; @name[tid] = args->filename; }\n"
        f"tracepoint:syscalls:sys_exit_openat /@start[tid]/ {{ {_HEAD}"
        r' %lld\n", @start[tid], pid, tid, uid, comm, 0, str(@name[tid]), args->ret,'
        " nsecs - @start[tid]); delete(@start[tid]); delete(@name[tid]); }\n"
        "END { clear(@start); clear(@name); }\n",
    ),
}
# By function, so where the kernel allows trampolines.
READS, READ_PATHS = "vfs_read: name, count, ret", "vfs_read: path, count, ret"
BY_FUNCTION = {
    READS: Target(
        "pread",
        {"mode": "fexit", "function": "vfs_read", "columns": [f"{_READ_NAME} as name", "count"]},
        _READS,
    ),
    READ_PATHS: Target(
        "pread",
        {"mode": "fexit", "function": "vfs_read", "columns": ["path(file)", "count"]},
        _READS,
    ),
}
