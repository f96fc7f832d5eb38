# SPDX-License-Identifier: Apache-2.0
"""The index of functions, as the service has it: made by a child, again after modules changed."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from app.config import Settings
from app.errors import ProbedeckError
from app.kernel.functions import FunctionIndex
from app.kernel.functions_sources import modules_state
from app.link.indexer import functions_command
from app.probes.spawner import Spawner

BUILD_TIMEOUT_S = 300.0  # 1 to 2 s on a real computer, a minute in emulation
WAIT_S = 0.7  # for a request: it is answered within a second
RETRY_S = 5.0  # after a failure
log = logging.getLogger(__name__)


class Functions:
    """The index of the running kernel. Every method may be called from any thread.

    Its first index is made when the service starts. Each request compares the modules that are
    loaded with those of the index (two reads in /proc and /sys), and waits for a new index if they
    are others. Not for long: within a second the answer is from what is there, or "ask again".
    """

    def __init__(
        self,
        settings: Settings,
        spawner: Spawner,
        state: Callable[[], tuple[str, ...]] = modules_state,
    ) -> None:
        self._settings, self._spawner, self._state = settings, spawner, state
        self._changed = threading.Condition()
        self._index: FunctionIndex | None = None
        self._modules: tuple[str, ...] | None = None  # of the index
        self._failed_s = -RETRY_S
        self._problem = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def open(self) -> None:
        """Begin to make the index; call this once the spawner's thread runs."""
        with self._changed:
            self._begin()

    def close(self) -> None:
        """End the child; nothing is made any more. Call this before closing the spawner."""
        with self._changed:
            self._closed = True
            if self._process is not None:
                self._process.kill()
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def current(self, timeout_s: float = WAIT_S) -> FunctionIndex:
        """Return the index for the modules that are loaded now.

        Waits for one that is being made. Where one cannot be made, return the one before, or raise
        ProbedeckError 503 without one.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                modules = self._state()
                if self._index is not None and modules == self._modules:
                    return self._index
                if self._thread is None and not self._may_retry():
                    break
                self._begin()
                left_s = deadline - time.monotonic()
                if self._closed or left_s <= 0 or not self._changed.wait(left_s):
                    break
            if self._index is not None:
                return self._index
            raise _not_ready(self._problem)

    def check_current(self) -> None:
        """Raise ProbedeckError 503 while an index is made for other modules than those of the
        index: what that does not have, the new one may have."""
        with self._changed:
            if self._thread is not None and self._state() != self._modules:
                raise _not_ready("")

    def _may_retry(self) -> bool:
        return time.monotonic() - self._failed_s >= RETRY_S

    def _begin(self) -> None:
        """Start a child, unless one works already; the caller holds the lock."""
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._make, name="functions", daemon=True)
            self._thread.start()

    def _make(self) -> None:
        modules = self._state()  # before the child reads: so a change during its work is noticed
        try:
            index = FunctionIndex(self._folder())
        except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
            with self._changed:
                if not self._closed:
                    log.error("the index of functions cannot be made: %s", error)
                self._problem = "it cannot be made, and the service's log says why"
                self._failed_s, self._thread = time.monotonic(), None
                self._changed.notify_all()
            return
        with self._changed:
            self._index, self._modules, self._thread = index, modules, None
            self._problem = ""
            self._changed.notify_all()

    def _folder(self) -> Path:
        """Run the child and return the folder that it prints; raises OSError, ValueError."""
        settings = self._settings
        command = functions_command(settings.btf_path, settings.cache_dir, os.getpid())
        with self._changed:
            if self._closed:
                raise ValueError("the service is stopping")
            process = self._process = self._spawner.start(command)
        try:
            output, errors = process.communicate(timeout=BUILD_TIMEOUT_S)
        finally:
            with self._changed:
                if process.poll() is None:
                    process.kill()
                self._process = None  # its PID is free, and must not be killed any more
        if process.returncode != 0:
            text = errors.decode(errors="backslashreplace").strip()[-2000:]
            raise ValueError(f"status {process.returncode}: {text}")
        answer = json.loads(output)
        if not isinstance(answer, dict) or "folder" not in answer:
            raise ValueError(f"it printed {output[:200]!r}")
        return Path(str(answer["folder"]))


def _not_ready(problem: str) -> ProbedeckError:
    why = problem or "it is being made: ask again in a moment"
    return ProbedeckError(
        503,
        "functions_not_ready",
        f"There is no list of functions: {why}.",
        retry_after_s=RETRY_S if problem else 1.0,
    )
