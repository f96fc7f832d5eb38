"""Compiling before anyone asks, so that the first start of a probe is as fast as the next."""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Sequence

from app.probes.spawner import Spawner
from app.tracer.command import COMPILED

log = logging.getLogger(__name__)


class CompileAhead:
    """Runs the compiler for one mode after the other, in a thread of its own.

    A start meanwhile does not wait for it, and compiles what is not there yet: this one has the
    lowest priority, and on a busy machine would be waited for longer than compiling takes.
    """

    def __init__(self, spawner: Spawner, commands: Sequence[Sequence[str]]) -> None:
        self._spawner = spawner
        self._lock = threading.Lock()
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(
            target=self._work, args=(commands,), name="compile-ahead", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End it at once; to be called before the spawner is closed."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        self._thread.join()

    def _work(self, commands: Sequence[Sequence[str]]) -> None:
        for command in commands:
            with self._lock:
                if self._closed:
                    return
                try:
                    process = self._process = self._spawner.start(command)
                except OSError as error:
                    log.warning("nothing is compiled ahead: %s", error)
                    return
            output, errors = process.communicate()
            with self._lock:
                self._process = None  # its number may be another process's soon
                if process.returncode != COMPILED and not self._closed:
                    said = (errors.strip() or output[:1000]).decode(errors="backslashreplace")
                    log.warning("compiled ahead, status %d: %s", process.returncode, said)
