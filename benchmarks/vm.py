# SPDX-License-Identifier: Apache-2.0
"""The part that measures inside a Debian kernel under QEMU whose clock counts instructions."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.machine import kernels, qemu, templates
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
    """Measure all tracers in all modes. Raises as `_run` does."""
    return GuestFigures.from_json(_run(suite, "benchmarks.guest", (str(calls), str(ROUNDS)), say))


def programs_alone(suite: str, calls: int, say: Callable[[str], None]) -> dict[str, float]:
    """Return the instructions that programs add to a call. Raises as `_run` does."""
    found: dict[str, float] = _run(suite, "benchmarks.programs_alone", (str(calls),), say)
    return found


def _run(suite: str, module: str, arguments: Sequence[str], say: Callable[[str], None]) -> Any:
    """Run a module in a machine, with the programs' templates, and return its JSON.

    Raises kernels.KernelError, LostMachineError, qemu.MissingProgramError, RuntimeError.
    """
    kernel = kernels.newest(suite, say=say)
    say(f"Booting Linux {kernel.release}")
    with tempfile.TemporaryDirectory(prefix="probedeck-bench-") as place:
        share = Path(place)
        compile_workload(share)
        templates.compile_into(share / "templates", say)

        def boot(host: qemu.Host) -> int:
            machine = Machine(
                kernel,
                share,
                [
                    *(sys.executable, "-m", module, f"{SHARE}/workload", f"{SHARE}/found.json"),
                    *(*arguments, f"{SHARE}/templates"),
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
            raise RuntimeError(f"{module} ended with status {status} in the machine")
        return json.loads((share / "found.json").read_text())
