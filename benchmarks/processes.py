# SPDX-License-Identifier: Apache-2.0
"""What processes cost, asked of the kernel from outside: processor time and memory."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


def cpu_ns(pid: int) -> int:
    """Processor time of a process, user and system, all its threads and those that ended.

    By its clock (clock_getcpuclockid(3)), which counts to the nanosecond what
    /proc/PID/stat counts in ticks of 10 ms. The id is made as the kernel's ABI has it:
    MAKE_PROCESS_CPUCLOCK, include/linux/posix-timers.h, with CPUCLOCK_SCHED.
    Raises ProcessLookupError when it is gone.
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError as error:
        raise ProcessLookupError(*error.args) from error


def user_ns(pid: int) -> int:
    """The part of it in user mode: as the kernel divides it, by what each tick found (10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class CpuMeter:
    """Processor time that processes use from now on."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._begin = {pid: cpu_ns(pid) for pid in pids}
        self._begin_user_ns = sum(map(user_ns, self._begin))

    def used_ns(self) -> dict[int, int]:
        """By process, since the meter was made."""
        return {pid: cpu_ns(pid) - begin for pid, begin in self._begin.items()}

    def total_ns(self) -> int:
        return sum(self.used_ns().values())

    def total_user_ns(self) -> int:
        """See `user_ns`."""
        return sum(map(user_ns, self._begin)) - self._begin_user_ns


@dataclass(frozen=True)
class Memory:
    """Of one process, in bytes. `peak` is resident at most (VmHWM, libraries included);
    `private` what no other process shares; `proportional` with its part of what is shared."""

    peak: int
    resident: int
    private: int
    proportional: int


def memory(pid: int) -> Memory:
    """Raises FileNotFoundError when the process is gone."""
    status = _kib(Path(f"/proc/{pid}/status"))
    rollup = _kib(Path(f"/proc/{pid}/smaps_rollup"))
    return Memory(
        status["VmHWM"],
        status["VmRSS"],
        rollup["Private_Clean"] + rollup["Private_Dirty"],
        rollup["Pss"],
    )


def _kib(path: Path) -> dict[str, int]:
    """The lines `Name:   123 kB` of a file, in bytes."""
    found = {}
    for line in path.read_text().splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB":
            found[name] = int(words[0]) * 1024
    return found
