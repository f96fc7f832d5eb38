# SPDX-License-Identifier: Apache-2.0
"""The part that measures inside a Debian kernel under QEMU whose clock counts instructions."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from app.machine import kernels, qemu
from app.machine.machine import SHARE, Machine, with_second_try
from benchmarks.guest_figures import GuestFigures
from benchmarks.workload import compile_workload

# 2**0 ns per instruction: the guest's nanoseconds are instructions.
ICOUNT = 0
ROUNDS = 1  # further rounds differ by 1% only
MEMORY_MIB = 2048
TIMEOUT_S = 2400.0
# The size of Probedeck's ring buffer. With one CPU for loop and reader, the default of 256 KiB
# loses half of the events, and a lost event costs less than one that is read.
BPFTRACE_PAGES = (8 << 20) // 4096


def measure(suite: str, calls: int, say: Callable[[str], None]) -> GuestFigures:
    """Raises kernels.KernelError, LostMachineError, qemu.MissingProgramError, RuntimeError."""
    kernel = kernels.newest(suite, say=say)
    say(f"Booting Linux {kernel.release}")
    with tempfile.TemporaryDirectory(prefix="probedeck-bench-") as place:
        share = Path(place)
        compile_workload(share)

        def boot(host: qemu.Host) -> int:
            machine = Machine(
                kernel,
                share,
                [
                    *(sys.executable, "-m", "benchmarks.guest"),
                    *(f"{SHARE}/workload", f"{SHARE}/found.json", str(calls), str(ROUNDS)),
                ],
                environment={
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PYTHONUNBUFFERED": "1",
                    "TMPDIR": "/dev/shm",
                    "BPFTRACE_PERF_RB_PAGES": str(BPFTRACE_PAGES),
                },
                output=lambda line: say(f"  {line}"),
                hardware=qemu.Hardware(memory_mib=MEMORY_MIB, icount=ICOUNT),
                host=host,
            )
            with machine:
                return machine.wait(timeout_s=TIMEOUT_S)

        status = with_second_try(boot, say)
        if status:
            raise RuntimeError(f"benchmarks.guest ended with status {status} in the machine")
        return GuestFigures.from_json(json.loads((share / "found.json").read_text()))
