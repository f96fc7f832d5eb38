# SPDX-License-Identifier: Apache-2.0
"""The traced process: a C program that makes one call in a tight loop."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.child import Child

SOURCE = Path(__file__).with_name("workload.c")
SHORT_NAME_BYTES = 12
PASSING_COMM = "pass"

Stamps = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass(frozen=True)
class Load:
    """A tight loop: `calls` by each of `threads`, with a name of `name_bytes` bytes.

    `call` is `unlinkat`, `openat` or `pread` (benchmarks/workload.c). With `pass_every`, every so
    many calls one is made under the thread name PASSING_COMM.
    """

    calls: int
    threads: int = 1
    name_bytes: int = SHORT_NAME_BYTES
    pass_every: int = 0
    call: str = "unlinkat"

    @property
    def total(self) -> int:
        """Return the number of calls of all threads."""
        return self.calls * self.threads

    @property
    def passing(self) -> int:
        """Return the number of calls made under the name PASSING_COMM."""
        return -(-self.calls // self.pass_every) * self.threads if self.pass_every else 0


@dataclass(frozen=True)
class Took:
    """What a loop took: wall-clock time, and the CPU time of its threads."""

    calls: int
    elapsed_ns: int
    cpu_ns: int

    @property
    def elapsed_ns_per_call(self) -> float:
        return self.elapsed_ns / self.calls

    @property
    def cpu_ns_per_call(self) -> float:
        return self.cpu_ns / self.calls


def compile_workload(folder: Path) -> Path:
    """Compile the program into a folder; statically, as a machine may lack libraries."""
    program = folder / "workload"
    options = ["-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-static"]
    subprocess.run(["gcc", *options, "-o", str(program), str(SOURCE)], check=True)
    return program


class Workload(Child):
    """The running program, waiting for commands in an empty folder. A context manager."""

    def __init__(self, program: Path, folder: Path) -> None:
        super().__init__([str(program)], folder)
        self.answer()  # the empty one that says it is ready

    def loop(self, load: Load) -> Took:
        """Make the calls, wait for their end, and return what they took."""
        numbers = f"{load.calls} {load.threads} {load.name_bytes} {load.pass_every}"
        answer = self.ask(f"loop {load.call} {numbers}")
        if answer["failures"]:
            raise RuntimeError(
                f"{answer['failures']} calls of {load.call} ended otherwise than they should"
            )
        return Took(answer["calls"], answer["elapsed_ns"], answer["cpu_ns"])

    def paced(self, calls: int, rate_hz: float, path: Path) -> Stamps:
        """Delete `no-0`, `no-1`, ... at a steady rate; return each call's CLOCK_MONOTONIC, ns."""
        self.ask(f"paced {calls} {rate_hz} {path}")
        return np.fromfile(path, dtype=np.uint64)
