# SPDX-License-Identifier: Apache-2.0
"""ftrace's own function tracer: which functions a process calls, seen without BPF."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

INSTANCE = "probedeck-tests"
BUFFER_KB = 4096  # on each CPU


class FunctionTracer:
    """Use `function_tracer`."""

    def __init__(self, instance: Path) -> None:
        self._instance = instance

    def clear(self) -> None:
        """Forget all calls up to now."""
        (self._instance / "trace").write_text("")

    def calls(self) -> Counter[str]:
        """Return the calls of each function since the last `clear`."""
        text = (self._instance / "trace").read_text()
        return Counter(re.findall(r": (\S+) <-", text))

    def lost(self) -> int:
        """Return how many calls found no room."""
        files = self._instance.glob("per_cpu/cpu*/stats")
        return sum(
            int(count)
            for file in files
            for count in re.findall(r"overrun: (\d+)", file.read_text())
        )


@contextmanager
def function_tracer(tracefs: Path, functions: Iterable[str], pid: int) -> Iterator[FunctionTracer]:
    """Trace these functions in one process, in an instance of its own; raises OSError."""
    instance = tracefs / "instances" / INSTANCE
    instance.mkdir()
    try:
        (instance / "buffer_size_kb").write_text(str(BUFFER_KB))
        (instance / "set_ftrace_filter").write_text("\n".join(sorted(functions)))
        (instance / "set_ftrace_pid").write_text(str(pid))
        (instance / "current_tracer").write_text("function")
        yield FunctionTracer(instance)
    finally:
        (instance / "current_tracer").write_text("nop")
        instance.rmdir()
