# SPDX-License-Identifier: Apache-2.0
"""Running bpftrace, with its output in a file on tmpfs, where writing is cheapest."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from app.linux.process import end_with_parent
from benchmarks.bpftrace_output import Printed, read_json, read_text
from benchmarks.bpftrace_script import ATTACHED, script
from benchmarks.processes import CpuMeter, Memory, cpu_ns, memory
from benchmarks.results import Run
from benchmarks.workload import Load, Workload
from tests.support.waiting import wait_until

QUIET_S = 1.0
LONGEST_STR = 200  # the largest BPFTRACE_STRLEN of bpftrace 0.17
SHORTEST_STR = 64  # the default BPFTRACE_STRLEN


class Bpftrace:
    """A bpftrace process, attached once the constructor returns. A context manager."""

    def __init__(self, form: str, text: str, name_bytes: int = 0) -> None:
        self._form = form
        self._output = tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="pd-bench-")  # noqa: SIM115
        size = max(SHORTEST_STR, min(LONGEST_STR, name_bytes + 1))
        begin_ns = time.monotonic_ns()
        self._process = subprocess.Popen(
            ["bpftrace", "-f", form, "-e", text],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "BPFTRACE_STRLEN": str(size)},
            start_new_session=True,
            # bpftrace must not go on tracing when the benchmark is killed.
            preexec_fn=end_with_parent,  # noqa: PLW1509  this process has one thread
        )
        self.pid = self._process.pid
        try:
            # BEGIN's output comes through the event buffer, which bpftrace reads once all probes
            # are attached: from then on every call has its row.
            wait_until(self._is_attached, "bpftrace to attach")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.start_ns = time.monotonic_ns() - begin_ns

    def _is_attached(self) -> bool:
        said = self.said()
        if self._process.poll() is not None:
            raise RuntimeError(f"bpftrace ended: {said}")
        return f"\n{ATTACHED}" in said or f'"{ATTACHED}\\n"' in said

    def said(self) -> str:
        """Return what it has written so far."""
        return Path(self._output.name).read_text(errors="backslashreplace")

    def __enter__(self) -> Bpftrace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.stop()
        self._output.close()

    def stop(self) -> None:
        """End bpftrace with SIGINT, as Ctrl-C does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def printed(self) -> Printed:
        return (read_json if self._form == "json" else read_text)(self.said())

    def wait_until_drained(self) -> None:
        """Wait until bpftrace has neither written nor used CPU time for QUIET_S."""
        path = Path(self._output.name)
        state, since = (-1, -1), time.monotonic()
        while time.monotonic() - since < QUIET_S:
            time.sleep(0.05)
            # Rounded to 5 ms: idle polling does not count as work.
            now = (path.stat().st_size, cpu_ns(self.pid) // 5_000_000)
            if now != state:
                state, since = now, time.monotonic()

    def size_bytes(self) -> int:
        return Path(self._output.name).stat().st_size

    def memory(self) -> Memory:
        return memory(self.pid)


def run(form: str, mode: str, function: str, workload: Workload, load: Load) -> Run:
    """Trace one loop of deletions, filtered by the workload's pid, as Probedeck is."""
    return run_script(form, script(mode, function, f"pid == {workload.pid}"), workload, load)


def run_script(form: str, text: str, workload: Workload, load: Load) -> Run:
    """Trace one loop with a program of bpftrace's language."""
    with Bpftrace(form, text, load.name_bytes) as tracer:
        before = tracer.size_bytes()
        meter = CpuMeter([tracer.pid])
        took = workload.loop(load)
        tracer.wait_until_drained()
        reader_ns = meter.total_ns()
        tracer.stop()  # may still report losses
        printed = tracer.printed()
        return Run(
            took,
            rows=printed.rows,
            lost=printed.lost,
            reader_ns=reader_ns,
            bytes_=tracer.size_bytes() - before,
            start_ns=tracer.start_ns,
        )
