# SPDX-License-Identifier: Apache-2.0
"""What one run of one tracer gave."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.workload import Took


@dataclass(frozen=True)
class Run:
    """One tracer, one loop. `reader_ns` is the processor time of everything between kernel and
    what is counted, `reader_user_ns` its part in user mode, `parts_ns` the same by process;
    `client_ns` is that of the websocket client beside it. `rows` arrived, `lost` were counted as
    lost by the tracer itself. `start_ns` is from its start, or from the request, until it was
    attached."""

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
        """Calls without a row, whatever was said of them."""
        return self.took.calls - self.rows if self.start_ns else 0
