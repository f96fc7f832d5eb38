# SPDX-License-Identifier: Apache-2.0
"""Compiling before anyone asks, so that the first start of a probe is as fast as the next."""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Mapping, Sequence

from app.link.compiler import COMPILED
from app.probes.spawner import Spawner

log = logging.getLogger(__name__)


class CompileAhead:
    """Runs the compiler for one mode after the other, in a thread of its own.

    A start meanwhile does not wait for it, and compiles what is not there yet: this one has the
    lowest priority, and on a busy machine would be waited for longer than compiling takes.
    So that nothing is compiled twice, a mode that is started is left to its start (`leave`).
    """

    def __init__(self, spawner: Spawner, commands: Mapping[str, Sequence[str]]) -> None:
        self._spawner = spawner
        self._lock = threading.Lock()
        self._left: set[str] = set()
        self._current = ""
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(
            target=self._work, args=(commands,), name="compile-ahead", daemon=True
        )
        self._thread.start()

    def leave(self, mode: str) -> None:
        """Compile this mode no more: somebody does who is waited for."""
        with self._lock:
            self._left.add(mode)
            if self._process is not None and self._current == mode:
                self._process.kill()

    def close(self) -> None:
        """End it at once; to be called before the spawner is closed."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        self._thread.join()

    def _work(self, commands: Mapping[str, Sequence[str]]) -> None:
        for mode, command in commands.items():
            with self._lock:
                if self._closed:
                    return
                if mode in self._left:
                    continue
                self._current = mode
                try:
                    process = self._process = self._spawner.start(command)
                except OSError as error:
                    log.warning("nothing is compiled ahead: %s", error)
                    return
            output, errors = process.communicate()
            with self._lock:
                self._process = None  # its number may be another process's soon
                wanted = not self._closed and mode not in self._left
                if process.returncode != COMPILED and wanted:
                    said = (errors.strip() or output[:1000]).decode(errors="backslashreplace")
                    log.warning("compiled ahead, status %d: %s", process.returncode, said)
