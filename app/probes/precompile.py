# SPDX-License-Identifier: Apache-2.0
"""Compiles programs before a probe is started, so that its first start is as fast as the next."""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Mapping, Sequence

from app.link.compiler import COMPILED
from app.probes.spawner import Spawner

log = logging.getLogger(__name__)


class Precompiler:
    """Runs the compiler for one job after the other, in a thread of its own.

    The compiler has the lowest priority. A start never waits for it: on a busy machine that may
    take longer than compiling again. So that nothing is compiled twice at the same time, a start
    cancels the background job of what it needs.
    """

    def __init__(
        self, spawner: Spawner, commands: Mapping[str, Sequence[str]], missing: Sequence[str]
    ) -> None:
        """Start compiling: `commands` maps templates to the command lines of their
        compilers, `missing` prints which of them have to be compiled."""
        self._spawner = spawner
        self._missing = missing
        self._lock = threading.Lock()
        self._cancelled: set[str] = set()
        self._current = ""
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(
            target=self._work, args=(commands,), name="precompiler", daemon=True
        )
        self._thread.start()

    def cancel(self, job: str) -> None:
        """Do not do this job, or stop doing it: a start does."""
        with self._lock:
            self._cancelled.add(job)
            if self._process is not None and self._current == job:
                self._process.kill()

    def close(self) -> None:
        """Kill the compiler and wait for the thread. Call this before closing the spawner."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        self._thread.join()

    def _work(self, commands: Mapping[str, Sequence[str]]) -> None:
        # Mostly all are there: one process that finds that out is cheaper than one for each.
        printed = self._run("", self._missing)
        missing = set(commands) if printed is None else set(printed.decode().split())
        for job, command in commands.items():
            if job in missing:
                self._run(job, command)

    def _run(self, job: str, command: Sequence[str]) -> bytes | None:
        """Run a command and return what it prints; None if it fails or is not wanted."""
        with self._lock:
            if self._closed or job in self._cancelled:
                return None
            self._current = job
            try:
                process = self._process = self._spawner.start(command)
            except OSError as error:
                log.warning("nothing is precompiled: the compiler does not start: %s", error)
                self._closed = True
                return None
        output, errors = process.communicate()
        with self._lock:
            self._process = None  # its PID is free, and must not be killed any more
            if process.returncode == COMPILED:
                return output
            if not self._closed and job not in self._cancelled:
                text = (errors.strip() or output[:1000]).decode(errors="backslashreplace")
                what = job or "finding out what is missing"
                log.warning("precompiling: %s: status %d: %s", what, process.returncode, text)
        return None
