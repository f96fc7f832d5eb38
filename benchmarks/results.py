# SPDX-License-Identifier: Apache-2.0
"""The result of one run of one tracer."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.workload import Took


@dataclass(frozen=True)
class Run:
    """One tracer, one loop.

    `reader_ns` is the CPU time of all processes of the tracer, `reader_user_ns` its part in user
    mode, `parts_ns` the same by process, `client_ns` that of the websocket client. `rows` arrived;
    the tracer itself reported `lost`. `start_ns` is the time from the tracer's start, or from the
    request, until it was attached.
    """

    took: Took
    rows: int = 0
    lost: int = 0
    reader_ns: int = 0
    reader_user_ns: int = 0
    client_ns: int = 0
    bytes_: int = 0
    start_ns: int = 0
    parts_ns: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Return the number of calls without a row, reported or not."""
        return self.took.calls - self.rows if self.start_ns else 0
