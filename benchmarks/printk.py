# SPDX-License-Identifier: Apache-2.0
"""Running a bpf_printk program, with a reader of trace_pipe as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from app import ROOT
from benchmarks.printk_source import LINES_PER_CALL
from benchmarks.processes import CpuMeter, Memory, memory
from benchmarks.results import Run
from benchmarks.workload import Load, Workload
from tests.support.child import Child
from tests.support.waiting import wait_until


class Printk(Child):
    """A benchmarks.printk_reader process, attached once the constructor returns."""

    def __init__(self, mode: str, function: str, pid: int, cache: Path) -> None:
        begin_ns = time.monotonic_ns()
        arguments = [mode, function, str(pid), str(cache)]
        super().__init__([sys.executable, "-m", "benchmarks.printk_reader", *arguments], ROOT)
        self.answer()  # the empty one that says it is attached
        self.start_ns = time.monotonic_ns() - begin_ns

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()  # which makes it detach
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            pass  # killed below
        super().close()

    def count(self) -> Any:
        """Return counts: `lines`, `lost` per counter, `told` lost in the text, `waiting`."""
        return self.ask("count")

    def memory(self) -> Memory:
        return memory(self.pid)


def run(mode: str, function: str, cache: Path, workload: Workload, load: Load) -> Run:
    """Trace one loop. A call is one row, even where a mode prints several lines for it."""
    with Printk(mode, function, workload.pid, cache) as tracer:
        meter = CpuMeter([tracer.pid])
        took = workload.loop(load)

        def drained() -> Any:
            count = tracer.count()
            return None if count["waiting"] else count

        count = wait_until(drained, "trace_pipe to be empty")
        reader_ns = meter.total_ns()
        lines = LINES_PER_CALL[mode]
        return Run(
            took,
            rows=count["lines"] // lines,
            lost=-(-max(count["lost"], count["told"]) // lines),
            reader_ns=reader_ns,
            bytes_=count["bytes"],
            start_ns=tracer.start_ns,
        )
