# SPDX-License-Identifier: Apache-2.0
"""Virtual machines beside the parts that run on this machine.

An emulated machine keeps about one processor busy: its tests mostly run one process at a time. So
machines run in lanes: one while parts run here, at a lower priority, so that what is sensitive to
load keeps its processor; then one for each processor, as far as there is memory. Each job is a
process of its own (`python -m tests.runner.parts --beside FILE PART`). Its output goes to a file
and is shown when its turn comes, so that the outputs of two parts never mix.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.runner import processes
from tests.runner.junit import Count

MACHINE_MIB = 2048  # what a machine has (app/machine/qemu.py)
RESERVED_MIB = 2048  # for Chromium, the service and what QEMU takes beyond that
SHOW_EVERY_S = 0.2
# Enough for what runs here to go first, and not so much that a machine does not boot beside it.
NICE = ["nice", "-n", "5"]


def lanes(cpus: int, memory_mib: int) -> tuple[int, int]:
    """Return how many machines run beside the parts here, and how many once those are done."""
    fitting = min(cpus, (memory_mib - RESERVED_MIB) // MACHINE_MIB)
    return int(cpus > 1 and fitting > 0), max(1, fitting)


def lanes_here() -> tuple[int, int]:
    """Return `lanes` for this machine."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    return lanes(os.cpu_count() or 1, memory)


@dataclass
class Job:
    """A part's tests in a machine. `count` and `took_s`, in seconds, are set when it is done."""

    part: str
    output: IO[bytes]
    count: Count = field(default_factory=lambda: Count(failures=["it could not be started"]))
    took_s: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)


def job_command(part: str, written: str) -> list[str]:
    """Return the command that runs a part's machine and writes its count to a file."""
    return [sys.executable, "-m", "tests.runner.parts", "--beside", written, part]


class Lanes:
    """Runs jobs in threads that last, as a machine ends with the thread that started it.

    Use as a context manager; leaving it by an exception ends the machines in order.
    """

    def __init__(
        self,
        parts: Sequence[str],
        count: tuple[int, int] | None = None,
        command: Callable[[str, str], Sequence[str]] = job_command,
        *,
        alone: bool = False,
    ) -> None:
        self._beside, self._after = count or lanes_here()
        self._command = command
        self._files = ExitStack()
        self.jobs: dict[str, Job] = {}
        for part in parts:
            output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
            self.jobs[part] = Job(part, self._files.enter_context(output))
        self._waiting = list(self.jobs.values())
        self._lock = threading.Lock()
        self._alone = threading.Event()  # no part runs here, or not any more
        if alone:
            self._alone.set()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"lane {number}")
            for number in range(min(self._after, len(parts)))
        ]

    def __enter__(self) -> Lanes:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stopped.set()
        self._alone.set()
        for thread in self._threads:
            thread.join()
        self._files.close()

    def show(self, part: str, write: Callable[[bytes], object]) -> Job:
        """Pass on a job's output, as it comes if it still runs; return the job when it is done.

        Call it when no part runs here any more: all lanes are used from then on.
        """
        self._alone.set()
        job = self.jobs[part]
        shown = 0
        while True:
            ended = job.done.wait(SHOW_EVERY_S)
            while data := os.pread(job.output.fileno(), 1 << 16, shown):
                write(data)
                shown += len(data)
            if ended:
                return job

    def _run(self, number: int) -> None:
        if number >= self._beside:
            self._alone.wait()
        while not self._stopped.is_set():
            with self._lock:
                if not self._waiting:
                    return
                job = self._waiting.pop(0)
            start = time.monotonic()
            try:
                job.count = self._count(job)
            finally:
                job.took_s = time.monotonic() - start
                job.done.set()

    def _count(self, job: Job) -> Count:
        with tempfile.NamedTemporaryFile(prefix="probedeck-count-") as written:
            argv = self._command(job.part, written.name)
            if not self._alone.is_set():
                argv = [*NICE, *argv]
            with processes.beside(argv, job.output) as process:
                while process.poll() is None and not self._stopped.is_set():
                    self._stopped.wait(SHOW_EVERY_S)
            return read_count(Path(written.name), process.returncode)


def write_count(path: Path, count: Count) -> None:
    """Write the count of a job for `read_count`."""
    path.write_text(json.dumps(asdict(count)))


def read_count(path: Path, status: int) -> Count:
    """Return what a job has counted; without a count, its exit status is the failure."""
    text = path.read_text()
    return Count(**json.loads(text)) if text else Count(failures=[f"ended with status {status}"])
