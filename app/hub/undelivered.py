# SPDX-License-Identifier: Apache-2.0
"""What waits for a client besides the log's items: gaps to report, and states of probes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from app.hub.items import Batch, Control, Item, News, gap_message

# A client that is told each change of state has at most this many waiting; the oldest go first.
MAX_STATE_CHANGES = 64


@dataclass
class _Missed:
    """Rows that one client missed, between these Unix times; None where unknown."""

    rows: int | None
    since_s: float | None
    until_s: float | None

    def extend(self, later: _Missed) -> None:
        """Add rows of the same kind that came later: the client missed all in between as well."""
        self.rows = None if self.rows is None or later.rows is None else self.rows + later.rows
        if later.since_s is None:
            self.since_s = None
        if self.until_s is not None:
            self.until_s = later.until_s


class PendingGaps:
    """Items dropped for a client and not yet reported to it: one gap per probe and kind."""

    def __init__(self) -> None:
        self._missed: dict[tuple[str, str], _Missed] = {}

    def __bool__(self) -> bool:
        return bool(self._missed)

    def add(self, item: Item) -> None:
        if isinstance(item, Batch):
            key, missed = (item.probe, "client"), _Missed(item.rows, item.at_s, item.at_s)
        else:
            key, missed = (item.probe, item.where), _Missed(item.rows, item.since_s, item.until_s)
        if known := self._missed.get(key):
            known.extend(missed)
        else:
            self._missed[key] = missed

    def take(self) -> list[Control]:
        """Return the gaps' messages, and forget the gaps."""
        messages = [
            gap_message(probe, where, missed.rows, missed.since_s, missed.until_s)
            for (probe, where), missed in self._missed.items()
        ]
        self._missed.clear()
        return messages


class LatestStates:
    """States and counts for a client that wants the newest of each probe, as soon as possible."""

    def __init__(self) -> None:
        self._by_key: dict[str, News] = {}

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def add(self, key: str, message: News, _seq: int, _is_change: bool) -> None:
        """Queue a message; it replaces the pending one with the same key."""
        self._by_key[key] = message

    def take(self, _seq: int) -> list[News]:
        """Return all messages, and forget them."""
        messages = list(self._by_key.values())
        self._by_key.clear()
        return messages


class StateChanges:
    """States for a client that wants each change, in order with the rows around it."""

    def __init__(self) -> None:
        self._queue: deque[tuple[int, News]] = deque(maxlen=MAX_STATE_CHANGES)

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add(self, _key: str, message: News, seq: int, is_change: bool) -> None:
        """Queue a message for before the log's item `seq`, if it reports a change."""
        if is_change:
            self._queue.append((seq, message))

    def take(self, seq: int) -> list[News]:
        """Return the changes due before the log's item `seq`, and forget them."""
        messages = []
        while self._queue and self._queue[0][0] <= seq:
            messages.append(self._queue.popleft()[1])
        return messages
