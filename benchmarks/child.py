# SPDX-License-Identifier: Apache-2.0
"""A child process that answers one line of JSON for each line that it is told."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

Own = TypeVar("Own", bound="Child")


class Child:
    """One that runs and has given its first answer, `hello`. A context manager, which ends it."""

    def __init__(self, argv: Sequence[str], folder: Path) -> None:
        self._name = argv[-1] if len(argv) == 1 else " ".join(argv[1:])
        self._process = subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self.hello = self._answer()

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """By force; a kind that has something to put in order does so first."""
        self._process.kill()
        with self._process:  # closes its pipes and waits
            pass

    def ask(self, line: str) -> Any:
        """Its answer; RuntimeError when it ended instead."""
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended with status {self._process.wait()}")
        return json.loads(line)
