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

    def __init__(self, spawner: Spawner, commands: Mapping[str, Sequence[str]]) -> None:
        """Start compiling: `commands` maps templates to the command lines of their
        compilers."""
        self._spawner = spawner
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
        for job, command in commands.items():
            with self._lock:
                if self._closed:
                    return
                if job in self._cancelled:
                    continue
                self._current = job
                try:
                    process = self._process = self._spawner.start(command)
                except OSError as error:
                    log.warning("nothing is precompiled: the compiler does not start: %s", error)
                    return
            output, errors = process.communicate()
            with self._lock:
                self._process = None  # its PID is free, and must not be killed any more
                wanted = not self._closed and job not in self._cancelled
                if process.returncode != COMPILED and wanted:
                    text = (errors.strip() or output[:1000]).decode(errors="backslashreplace")
                    log.warning("precompiling %s: status %d: %s", job, process.returncode, text)
