# SPDX-License-Identifier: Apache-2.0
"""Deletions of our own, by a process that nothing else is known of: so all its calls are known."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

from app.errors import ProbedeckError

SCRIPT = Path(__file__).with_name("deleting.py")


class OwnCalls:
    """A process that deletes files that are not there. A context manager.

    Raises ProbedeckError 502 if the process ends by itself, or cannot be started.
    """

    def __enter__(self) -> OwnCalls:
        path = f"/pd-compare-{secrets.token_hex(8)}"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", str(SCRIPT), path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # so that Ctrl-C reaches the service only
            )
        except OSError as error:
            raise _failed(error.strerror or "") from error
        self._answer()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        """The process whose calls these are."""
        return self._process.pid

    def make(self, calls: int) -> float:
        """Make calls; return the processor time that each took, in ns."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{calls}\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise _failed("it has ended") from error
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise _failed("it has ended")
        return line


def _failed(why: str) -> ProbedeckError:
    return ProbedeckError(502, "tracer_failed", f"the process that deletes files failed: {why}")
