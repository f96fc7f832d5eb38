# SPDX-License-Identifier: Apache-2.0
"""CPU time and memory of processes, as the kernel reports them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process, user and system, of all its threads, ended ones too.

    Read from its CPU clock (clock_getcpuclockid(3)), in nanoseconds, where /proc/PID/stat has
    ticks of 10 ms. The clock's id is MAKE_PROCESS_CPUCLOCK of include/linux/posix-timers.h with
    CPUCLOCK_SCHED. Raises ProcessLookupError when the process has ended.
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError as error:
        raise ProcessLookupError(*error.args) from error


def user_ns(pid: int) -> int:
    """Return the CPU time in user mode, which the kernel samples at each tick (10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class CpuMeter:
    """Measures the CPU time that processes use from now on."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._begin = {pid: cpu_ns(pid) for pid in pids}
        self._begin_user_ns = sum(map(user_ns, self._begin))

    def used_ns(self) -> dict[int, int]:
        """Return the CPU time by pid since the meter was made."""
        return {pid: cpu_ns(pid) - begin for pid, begin in self._begin.items()}

    def total_ns(self) -> int:
        return sum(self.used_ns().values())

    def total_user_ns(self) -> int:
        """See `user_ns`."""
        return sum(map(user_ns, self._begin)) - self._begin_user_ns


@dataclass(frozen=True)
class Memory:
    """Memory of one process, in bytes.

    `peak` is the largest resident size (VmHWM); `private` is shared with no other process;
    `proportional` (PSS) includes a share of what is shared.
    """

    peak: int
    resident: int
    private: int
    proportional: int


def memory(pid: int) -> Memory:
    """Return a process's memory; raises FileNotFoundError when it has ended."""
    status = _kib(Path(f"/proc/{pid}/status"))
    rollup = _kib(Path(f"/proc/{pid}/smaps_rollup"))
    return Memory(
        status["VmHWM"],
        status["VmRSS"],
        rollup["Private_Clean"] + rollup["Private_Dirty"],
        rollup["Pss"],
    )


def _kib(path: Path) -> dict[str, int]:
    """Return the values of the lines `Name:   123 kB` of a file, in bytes."""
    found = {}
    for line in path.read_text().splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB":
            found[name] = int(words[0]) * 1024
    return found
