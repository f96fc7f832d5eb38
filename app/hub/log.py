# SPDX-License-Identifier: Apache-2.0
"""The log: the newest batches and gaps of all probes, bounded in bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from app.hub.items import Batch, Item

ALL = "*"  # the name for all probes together, where rows are counted by name
# The names of which a position has counts; those beyond are forgotten probes. Of these, all evicted
# rows count as missed by a client that asks for them by name.
MOST_COUNTED = 64


@dataclass(frozen=True)
class RowCount:
    """Rows appended and evicted since row number `first_row`, and the items that are left.

    Counting begins again when a probe that was forgotten is back.
    """

    first_row: int
    rows: int = 0
    evicted_rows: int = 0
    items: int = 0

    def appended(self, item: Item) -> RowCount:
        rows = item.rows if isinstance(item, Batch) else 0
        return replace(self, rows=self.rows + rows, items=self.items + 1)

    def evicted(self, item: Item) -> RowCount:
        rows = item.rows if isinstance(item, Batch) else 0
        return replace(self, evicted_rows=self.evicted_rows + rows, items=self.items - 1)

    def evicted_after(self, row: int, rows_before: int) -> int:
        """Count the evicted rows from number `row` on, before which there were so many."""
        before = rows_before if row > self.first_row else 0
        return max(0, self.evicted_rows - before)


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
        self._rows: dict[str, RowCount] = {}  # by probe, over all of its runs; and under ALL
        self._forgotten: set[str] = set()  # probes whose counts go with their last item

    def append(self, item: Item) -> list[Item]:
        """Append an item numbered `next_seq` and `next_row`; return the items evicted for it."""
        self.next_seq += 1
        self.next_row = item.next_row
        self._items.append(item)
        self._size_bytes += item.size_bytes
        for name in (item.probe, ALL):
            count = self._rows.get(name) or RowCount(item.first_row)
            self._rows[name] = count.appended(item)
        evicted = []
        while self._size_bytes > self.limit_bytes and len(self._items) > 1:
            evicted.append(self._evict_oldest())
        return evicted

    def _evict_oldest(self) -> Item:
        oldest = self._items.popleft()
        self._size_bytes -= oldest.size_bytes
        for name in (oldest.probe, ALL):
            self._rows[name] = self._rows[name].evicted(oldest)
        self._tidy(oldest.probe)
        return oldest

    def holds(self, probe: str) -> bool:
        """Return whether there are items of this probe."""
        return probe in self._rows and self._rows[probe].items > 0

    def forget(self, probe: str) -> None:
        """Forget the counts of this probe once its last item is evicted."""
        self._forgotten.add(probe)
        self._tidy(probe)

    def remember(self, probe: str) -> None:
        """There is a probe of this name (again)."""
        self._forgotten.discard(probe)

    def _tidy(self, probe: str) -> None:
        if probe in self._forgotten and not self.holds(probe):
            self._forgotten.discard(probe)
            self._rows.pop(probe, None)

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
        return Snapshot(list(self._items), self.next_row, dict(self._rows), set(self._forgotten))


@dataclass(frozen=True)
class Snapshot:
    """The log at one moment, to be searched without the lock.

    `items` are oldest first; `next_row` is the number that the next row will get. `rows` are
    counted by probe, over all of its runs, and over all probes under ALL.
    """

    items: list[Item]
    next_row: int
    rows: dict[str, RowCount]
    forgotten: set[str]

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
        # The sum over all probes also has those that are forgotten, evicted rows and all.
        missed = sum(
            self.rows[name].evicted_after(after_row, rows_before.get(name, 0))
            for name in ({ALL} if probes is None else probes) & self.rows.keys()
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
        """Count the rows of each probe, and of ALL, before number `row`, not older than the log.

        Of forgotten probes only the newest are counted: at most MOST_COUNTED in all.
        """
        gone = [name for name in self._snapshot.rows if name in self._snapshot.forgotten]
        excess = max(0, len(self._snapshot.rows) - MOST_COUNTED)
        counts = {name: count.rows for name, count in self._snapshot.rows.items()}
        for item in reversed(self._snapshot.items):
            if isinstance(item, Batch):
                after = item.next_row - row
                if after <= 0:
                    break
                for name in (item.probe, ALL):
                    counts[name] -= min(after, item.rows)
        for name in gone[:excess]:
            del counts[name]
        return {name: count for name, count in counts.items() if count}
