# SPDX-License-Identifier: Apache-2.0
"""This process's tie to its parent, and its name: prctl(2)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from app.linux.libc import prctl

AUTOGROUP = Path("/proc/self/autogroup")
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15  # linux/prctl.h


def end_with_parent(parent_pid: int | None = None) -> None:
    """Have the kernel kill this process (SIGKILL) when the *thread* that started it ends.

    A parent that ended before this call sends no signal any more: with `parent_pid`, raises
    ProcessLookupError then. Raises OSError.
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent_pid is not None and not is_child_of(parent_pid):
        raise ProcessLookupError(f"the parent, process {parent_pid}, has ended")


def is_child_of(parent_pid: int) -> bool:
    """Return whether that process is still the parent: orphans are given to another one."""
    return os.getppid() == parent_pid


def set_process_name(name: str) -> None:
    """Set the name that ps and top show, cut after 15 bytes; raises OSError."""
    prctl(PR_SET_NAME, name.encode())


def keep_niceness() -> bool:
    """Give this process' session the nice value that the process has; return whether it has it.

    Between sessions the scheduler compares autogroups, and that of a new session begins at 0,
    whatever its first process inherited (sched(7), "The autogroup feature"). Without
    CONFIG_SCHED_AUTOGROUP, or where /proc is read-only, the process' own value is all there is.
    """
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    if niceness == 0:
        return True
    try:
        AUTOGROUP.write_text(str(niceness))
    except OSError:
        return False
    return True
