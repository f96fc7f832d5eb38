# SPDX-License-Identifier: Apache-2.0
"""The log: the newest batches and gaps of all probes, bounded in bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.hub.items import Batch, Item


class Log:
    """Items in arrival order, numbered without holes; the oldest are evicted to stay in bounds.

    The newest item is kept even if it alone exceeds `limit_bytes`. The caller holds the hub's lock.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.next_seq = 0  # of the next item
        self.next_row = 0  # number of its first row
        self._items: deque[Item] = deque()
        self._size_bytes = 0
        self._rows: dict[str, int] = {}  # ever appended, by probe, over all of its runs
        self._evicted_rows: dict[str, int] = {}

    def append(self, item: Item) -> list[Item]:
        """Append an item numbered `next_seq` and `next_row`; return the items evicted for it."""
        self.next_seq += 1
        self.next_row = item.next_row
        self._items.append(item)
        self._size_bytes += item.size_bytes
        if isinstance(item, Batch):
            self._rows[item.probe] = self._rows.get(item.probe, 0) + item.rows
        evicted = []
        while self._size_bytes > self.limit_bytes and len(self._items) > 1:
            evicted.append(self._evict_oldest())
        return evicted

    def _evict_oldest(self) -> Item:
        oldest = self._items.popleft()
        self._size_bytes -= oldest.size_bytes
        if isinstance(oldest, Batch):
            evicted = self._evicted_rows.get(oldest.probe, 0)
            self._evicted_rows[oldest.probe] = evicted + oldest.rows
        return oldest

    @property
    def first_seq(self) -> int:
        """Number of the oldest item; of an empty log, `next_seq`."""
        return self._items[0].seq if self._items else self.next_seq

    def __getitem__(self, seq: int) -> Item:
        """Return the item with this number, which is still in the log."""
        return self._items[seq - self._items[0].seq]

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def snapshot(self) -> Snapshot:
        return Snapshot(
            list(self._items), self.next_row, dict(self._rows), dict(self._evicted_rows)
        )


@dataclass(frozen=True)
class Snapshot:
    """The log at one moment, to be searched without the lock.

    `items` are oldest first; `next_row` is the number that the next row will get. `rows` and
    `evicted_rows` are counted by probe, over all of its runs.
    """

    items: list[Item]
    next_row: int
    rows: dict[str, int]
    evicted_rows: dict[str, int]

    def excerpt(
        self, probes: frozenset[str] | None, after_row: int, rows_before: Mapping[str, int]
    ) -> Excerpt:
        """Return what the log holds of these probes (None: all) from row `after_row` on.

        `rows_before` is what `Excerpt.rows_before` returned for `after_row`.
        """
        found = [
            item
            for item in self.items
            if item.next_row > after_row and (probes is None or item.probe in probes)
        ]
        missed = sum(
            max(0, evicted - rows_before.get(probe, 0))
            for probe, evicted in self.evicted_rows.items()
            if probes is None or probe in probes
        )
        # However old the position is, no more than all rows evicted since.
        first_row = self.items[0].first_row if self.items else self.next_row
        return Excerpt(found, min(missed, max(0, first_row - after_row)), self)


@dataclass(frozen=True)
class Excerpt:
    """The part of a snapshot with the probes asked for, from the position asked for on.

    `items` are oldest first; `missed` rows of these probes, from that position on, are evicted.
    """

    items: list[Item]
    missed: int
    _snapshot: Snapshot

    @property
    def next_row(self) -> int:
        """The number that the next row will get."""
        return self._snapshot.next_row

    @property
    def batches(self) -> list[Batch]:
        return [item for item in self.items if isinstance(item, Batch)]

    def rows_before(self, row: int) -> dict[str, int]:
        """Count the rows of each probe before number `row`, which is not older than the log."""
        counts = dict(self._snapshot.rows)
        for item in reversed(self._snapshot.items):
            if isinstance(item, Batch):
                after = item.next_row - row
                if after <= 0:
                    break
                counts[item.probe] -= min(after, item.rows)
        return {probe: count for probe, count in counts.items() if count}
