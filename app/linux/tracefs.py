# SPDX-License-Identifier: Apache-2.0
"""The kernel's tracing file system: where it is mounted, or a mount that only we hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.linux import syscalls

# Not the one inside debugfs: the kernel mounts that when it is looked into, for everyone.
PLACE = Path("/sys/kernel/tracing")


@contextmanager
def opened() -> Iterator[Path]:
    """A path of tracefs, valid inside; raises OSError.

    Where it is not mounted, it is a mount that no mount namespace has. A namespace of our own
    would keep every file system busy that is unmounted outside meanwhile.
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
    """The number by which perf_event_open(2) knows a tracepoint; raises OSError."""
    return int((tracefs / "events" / category / name / "id").read_text())
