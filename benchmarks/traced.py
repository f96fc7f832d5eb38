# SPDX-License-Identifier: Apache-2.0
"""What is traced beside deletions: any function or system call, with what bpftrace does for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import bpftrace_script


@dataclass(frozen=True)
class Traced:
    """A function, the call of the workload that reaches it, and bpftrace's program for the same.

    `script` takes bpftrace's condition at entry. `body` is sent to `POST /probes/{probe}`.
    """

    probe: str
    mode: str
    call: str
    script: Callable[[str], str]
    body: dict[str, Any]

    @property
    def title(self) -> str:
        """Return what the tables call it."""
        return f"{self.probe}, {self.mode}"


VFS_READ = Traced(
    "vfs_read",
    "fexit",
    "pread",
    bpftrace_script.of_vfs_read,
    {"mode": "fexit", "function": "vfs_read", "columns": ["path(file)", "count", "ret"]},
)
OPENAT = Traced(
    "openat",
    "tracepoint",
    "openat",
    bpftrace_script.of_openat,
    {"mode": "tracepoint", "syscall": "openat", "columns": ["filename", "flags"]},
)
ALL = (VFS_READ, OPENAT)
