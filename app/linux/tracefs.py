# SPDX-License-Identifier: Apache-2.0
"""The kernel's tracing file system: the system's mount, or a private one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.linux import syscalls

# Not the one inside debugfs: accessing that makes the kernel mount it, for every process.
PLACE = Path("/sys/kernel/tracing")


@contextmanager
def opened() -> Iterator[Path]:
    """Provide a path of tracefs, valid inside the block; raises OSError.

    Where tracefs is not mounted, mount it detached from every mount namespace. A private mount
    namespace would instead keep busy every file system that is unmounted outside of it.
    """
    if (PLACE / "events").is_dir():
        yield PLACE
        return
    fd = syscalls.detached_mount("tracefs")
    try:
        yield Path(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def tracepoint_id(tracefs: Path, category: str, name: str) -> int:
    """Return the number that perf_event_open(2) takes for a tracepoint; raises OSError."""
    return int((tracefs / "events" / category / name / "id").read_text())
