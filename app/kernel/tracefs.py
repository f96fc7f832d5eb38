# SPDX-License-Identifier: Apache-2.0
"""The kernel's tracing file system: where it is mounted, or a mount of our own."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from app.kernel import syscalls

# In this order: the second is an automount inside debugfs, for old tools.
PLACES = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))


def find() -> Path:
    """Where tracefs is mounted; raises FileNotFoundError when it is not (or not for us)."""
    for place in PLACES:
        if (place / "events").is_dir():
            return place
    raise FileNotFoundError(errno.ENOENT, "tracefs is not mounted", str(PLACES[0]))


def find_or_mount() -> Path:
    """Where tracefs is, after mounting it for this process alone if need be; raises OSError.

    Mounting takes the calling thread into a mount namespace of its own, for good: only
    for the main thread of a process that lives for tracing, before it starts others.
    Nothing outside the process sees the mount, and it ends with the process.
    """
    try:
        return find()
    except FileNotFoundError:
        pass  # so it is mounted here
    own_mounts()
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("tracefs", os.fspath(PLACES[0]), "tracefs", flags)
    return find()


def own_mounts() -> None:
    """Take the calling thread into a mount namespace of its own; raises OSError.

    Whatever is mounted from then on ends with the process. That includes the tracefs inside
    debugfs, which the kernel itself mounts for whoever looks there, as BCC does.
    """
    syscalls.unshare(syscalls.CLONE_NEWNS)
    # Mounts are shared with the parent namespace by default: ours would appear there too.
    syscalls.mount("none", "/", "none", syscalls.MS_REC | syscalls.MS_PRIVATE)


def tracepoint_id(tracefs: Path, category: str, name: str) -> int:
    """The number by which perf_event_open(2) knows a tracepoint; raises OSError."""
    return int((tracefs / "events" / category / name / "id").read_text())
