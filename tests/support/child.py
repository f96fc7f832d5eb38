# SPDX-License-Identifier: Apache-2.0
"""A child process that answers each line on its standard input with one line of JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tests.support.waiting import PATIENCE_S

Own = TypeVar("Own", bound="Child")


class Child:
    """A running process. A context manager, which ends it."""

    def __init__(self, argv: Sequence[str], folder: Path | None = None) -> None:
        self._argv = argv
        self.process = subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self.process.pid

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def tell(self, line: str) -> None:
        """Send a line."""
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the next answer; raises RuntimeError when the process ended instead."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait(PATIENCE_S)
            raise RuntimeError(f"{' '.join(self._argv)} ended with status {status}")
        return json.loads(line)

    def ask(self, line: str) -> Any:
        """Send a line and wait for its answer."""
        self.tell(line)
        return self.answer()

    def close(self) -> None:
        """Kill the process, close its pipes and wait for it."""
        self.process.kill()
        with self.process:
            pass
