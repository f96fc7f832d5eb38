# SPDX-License-Identifier: Apache-2.0
"""The process that makes known calls (tests/support/any_workload.py), and what it reports."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app import ROOT

SCRIPT = ROOT / "tests/support/any_workload.py"


class AnyCalls:
    """Runs workloads by name, in one process; see `any_calls`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        about = self._answer()
        self.pid: int = about["pid"]
        self.comm: str = about["comm"]

    def run(self, name: str) -> dict[str, Any]:
        """Run a workload; return its facts, with the `pid` and `comm` of the process."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        return {"pid": self.pid, "comm": self.comm, **self._answer()}

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the workload ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def any_calls() -> Iterator[AnyCalls]:
    """Provide the process, with a folder of its own in memory that is removed at the end."""
    folder = tempfile.mkdtemp(prefix="any-", dir="/dev/shm")
    command = [sys.executable, "-I", "-S", "-B", str(SCRIPT), folder]
    try:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        ) as process:
            try:
                yield AnyCalls(process)
            finally:
                process.kill()
    finally:
        shutil.rmtree(folder)
