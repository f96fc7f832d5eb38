# SPDX-License-Identifier: Apache-2.0
"""One client's reading position in the log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from app.hub.items import Batch, Item, News
from app.hub.ledger import ClientLedger, ClientLedgers, Ledger
from app.hub.log import Log
from app.hub.undelivered import LatestStates, PendingGaps, StateChanges

# One `get` returns about this much, so that gaps and states reach a busy client in time.
HANDOUT_BYTES = 1 << 20


class HubClosedError(Exception):
    """The service is stopping: there is nothing more to read."""


class Subscription:
    """One client's reading position, and what waits for it. A context manager; see `Hub.subscribe`.

    Clients call `get`, `delivered` and `close`, from any thread. The hub calls the other methods
    while it holds the lock.
    """

    def __init__(
        self,
        lock: threading.Lock,
        log: Log,
        client_id: int,
        *,
        kind: str,
        peer: str,
        probes: frozenset[str] | None,
        recent: bool,
        states_in_order: bool,
        queue_limit_bytes: int,
        forget: Callable[[int], object],
    ) -> None:
        self.id = client_id
        self.queued_bytes = 0  # of the items that it reads and has not been given
        self._lock = lock
        self._wake = threading.Condition(lock)
        self._log = log
        self._kind, self._peer = kind, peer
        self._probes = probes
        self._queue_limit_bytes = queue_limit_bytes
        self._forget = forget
        self._is_ended = False
        self._gaps = PendingGaps()
        self._states: StateChanges | LatestStates = (
            StateChanges() if states_in_order else LatestStates()
        )
        self._ledgers = ClientLedgers()
        self._next_seq = log.first_seq if recent else log.next_seq  # of the next item to read
        if recent:
            for item in log:
                self._queue(item)
        # The recent items may exceed the queue's limit, so it applies once they have been read.
        self._is_live = self._is_at_end()

    # -- called by the client --------------------------------------------------------------

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Unsubscribe; does nothing the second time."""
        with self._lock:
            self._forget(self.id)

    def get(self, timeout_s: float) -> list[Batch | News]:
        """Wait for the next items, and return them in order; [] if none came in time.

        Rows dropped for this client are reported as `{"type": "gap", "where": "client", ...}`
        before the first batch that follows them. Raise HubClosedError when the service stops.
        """
        with self._lock:
            self._wake.wait_for(self._has_something, timeout_s)
            if self._is_ended:
                raise HubClosedError
            return [*self._gaps.take(), *self._take()]

    def delivered(self, batch: Batch) -> None:
        """Count the rows of a batch from `get` as delivered: it was written to the client."""
        with self._lock:
            self._ledgers.deliver(batch.ledger, batch.rows)

    def _has_something(self) -> bool:
        return bool(self._is_ended or self._gaps or self._states or self.queued_bytes)

    def _take(self) -> list[Batch | News]:
        taken: list[Batch | News] = []
        taken_bytes = 0
        while taken_bytes < HANDOUT_BYTES and not self._is_at_end():
            item = self._advance()
            taken += self._states.take(item.seq)
            if not self.reads(item.probe):
                continue
            self.queued_bytes -= item.size_bytes
            if isinstance(item, Batch):
                taken_bytes += item.size_bytes
                taken.append(item)
            else:
                taken.append(item.message())
        taken += self._states.take(self._next_seq)
        self._is_live = self._is_live or self._is_at_end()
        return taken

    # -- called by the hub, which holds the lock -------------------------------------------

    def reads(self, probe: str) -> bool:
        return self._probes is None or probe in self._probes

    def begin_run(self, ledger: Ledger) -> None:
        """Begin to count for a new run of a probe."""
        self._ledgers.of(ledger)

    def end_run(self, ledger: Ledger) -> None:
        """The probe has a later run, or is forgotten."""
        self._ledgers.tidy(ledger)

    def appended(self, item: Item) -> None:
        """Queue the log's newest item; drop the oldest queued ones beyond the queue's limit."""
        if not self.reads(item.probe):
            return
        self._queue(item)
        if self._is_live:
            while self.queued_bytes > self._queue_limit_bytes and not self._is_at_end():
                self._drop(self._advance())
        self._wake.notify()

    def evicted(self, item: Item) -> None:
        """Drop the item, which has left the log, if the client has not read it yet."""
        if item.seq >= self._next_seq:
            self._next_seq = item.seq + 1
            self._drop(item)

    def announce(self, key: str, message: News, *, is_change: bool) -> None:
        """Tell the client a state, at once or before the next item (`states_in_order`)."""
        self._states.add(key, message, self._log.next_seq, is_change)
        self._wake.notify()

    def begin_states(self, key: str, message: News) -> None:
        """Tell the client a state as it was when it subscribed, before the first item."""
        self._states.add(key, message, self._next_seq, True)

    def end(self) -> None:
        """Have `get` raise HubClosedError from now on."""
        self._is_ended = True
        self._wake.notify_all()

    def describe(self, probe: str, run: Ledger | None) -> dict[str, Any]:
        """Return the client, and its counters of this run (None: the probe has not run yet)."""
        ledger = ClientLedger(Ledger(probe)) if run is None else self._ledgers.of(run)
        return {
            "client": self.id,
            "peer": self._peer,
            "kind": self._kind,
            "queued": ledger.queued,
            "counters": ledger.counters(),
        }

    # -- moving in the log -----------------------------------------------------------------

    def _is_at_end(self) -> bool:
        return self._next_seq == self._log.next_seq

    def _advance(self) -> Item:
        item = self._log[self._next_seq]
        self._next_seq += 1
        return item

    def _queue(self, item: Item) -> None:
        if self.reads(item.probe):
            self.queued_bytes += item.size_bytes
            if isinstance(item, Batch):
                self._ledgers.of(item.ledger).queued += item.rows

    def _drop(self, item: Item) -> None:
        if not self.reads(item.probe):
            return
        self.queued_bytes -= item.size_bytes
        self._gaps.add(item)
        if isinstance(item, Batch):
            self._ledgers.drop(item.ledger, item.rows)
            item.count_as_dropped()
