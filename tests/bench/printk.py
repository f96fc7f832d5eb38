"""The bpf_printk way with its reader, seen from outside."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.bench.printk_source import LINES_PER_CALL
from tests.bench.processes import CpuMeter, Memory, memory
from tests.bench.results import Run
from tests.bench.workload import Load, Workload
from tests.support.waiting import wait_until

TREE = Path(__file__).resolve().parents[2]


class Printk:
    """A tests.bench.printk_reader process, attached when the constructor returns."""

    def __init__(self, mode: str, function: str, pid: int, cache: Path) -> None:
        begin_ns = time.monotonic_ns()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.bench.printk_reader",
                mode,
                function,
                str(pid),
                str(cache),
            ],
            cwd=TREE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._answer()
        self.start_ns = time.monotonic_ns() - begin_ns

    def __enter__(self) -> Printk:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()  # it detaches by itself
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        with self._process:
            pass

    def count(self) -> Any:
        """`lines` read, `lost` by the kernel's counters, `told` in the text, `waiting` unread."""
        assert self._process.stdin
        self._process.stdin.write("count\n")
        self._process.stdin.flush()
        return self._answer()

    def memory(self) -> Memory:
        return memory(self.pid)

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the reader of trace_pipe ended: {self._process.wait()}")
        return json.loads(line)


def run(mode: str, function: str, cache: Path, workload: Workload, load: Load) -> Run:
    """Trace one loop. A row is a call: its lines together, where it prints several."""
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
