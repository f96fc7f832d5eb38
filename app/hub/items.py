# SPDX-License-Identifier: Apache-2.0
"""What the log holds, batches and gaps, and the JSON messages that travel between batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.hub.ledger import Ledger
from app.timestamps import rfc3339

# What the log spends on an item beyond its bytes; bounds a flood of empty batches.
ITEM_OVERHEAD_BYTES = 256

# A JSON message to a client: a gap, or a probe's state (docs/protocol.md).
Control = dict[str, Any]


@dataclass(eq=False)
class Batch:
    """Rows of one probe: a self-contained Arrow IPC stream of `rows` rows.

    `seq` counts the log's items. `first_row` numbers rows and gaps of all probes since the service
    started, so a position in the stream stays valid after the batch is evicted. `at_s` is the Unix
    time of its arrival. `ledger` is its run's.
    """

    seq: int
    probe: str
    rows: int
    data: bytes
    first_row: int
    ledger: Ledger
    at_s: float = 0.0
    _is_dropped: bool = field(default=False, init=False)

    @property
    def size_bytes(self) -> int:
        return len(self.data) + ITEM_OVERHEAD_BYTES

    @property
    def next_row(self) -> int:
        return self.first_row + self.rows

    def count_as_dropped(self) -> None:
        """Add the rows to the run's `dropped_client`, once for all the clients that miss them."""
        if not self._is_dropped:
            self._is_dropped = True
            self.ledger.dropped_client += self.rows


@dataclass(eq=False)
class Gap:
    """Rows are missing at this place of the log; in the numbering of rows, a gap counts as one.

    `where` is `kernel` or `pipe` for rows lost before the hub. It is `unwatched` while no program
    saw any call, and then the number of rows is unknown (`rows` is None). `since_s` and `until_s`
    are Unix times, None where unknown.
    """

    seq: int
    probe: str
    where: str
    rows: int | None
    first_row: int
    since_s: float | None = None
    until_s: float | None = None
    size_bytes: int = ITEM_OVERHEAD_BYTES

    @property
    def next_row(self) -> int:
        return self.first_row + 1

    def message(self) -> Control:
        return gap_message(self.probe, self.where, self.rows, self.since_s, self.until_s)


Item = Batch | Gap


@dataclass(frozen=True)
class Snapshot:
    """What a probe has counted so far: a self-contained Arrow IPC stream (docs/protocol.md)."""

    probe: str
    data: bytes


News = Control | Snapshot  # of which a client wants the newest


def gap_message(
    probe: str, where: str, rows: int | None, since_s: float | None, until_s: float | None
) -> Control:
    """Return the message that reports a gap to a client (docs/protocol.md)."""
    return {
        "type": "gap",
        "probe": probe,
        "where": where,
        "rows": rows,
        "from": None if since_s is None else rfc3339(since_s),
        "to": None if until_s is None else rfc3339(until_s),
    }
