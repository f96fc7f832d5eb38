# SPDX-License-Identifier: Apache-2.0
"""The hub: tracers' batches go in, clients subscribe to them."""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from app.hub.items import Batch, Control, Gap, Item, Snapshot
from app.hub.ledger import Ledger
from app.hub.log import Excerpt, Log
from app.hub.subscription import HubClosedError, Subscription

MOST_FORGOTTEN = 64  # forgotten probes of which it is kept what they have counted


class Hub:
    """The log and its readers. Every method may be called from any thread.

    The log holds at most `recent_bytes`; of these, at most `client_queue_bytes` wait for a client
    that has once read all of the log.
    """

    def __init__(self, recent_bytes: int, client_queue_bytes: int) -> None:
        self.recent_bytes = recent_bytes
        self._client_queue_bytes = client_queue_bytes
        self._lock = threading.Lock()
        self._log = Log(recent_bytes)
        self._ledgers: dict[str, Ledger] = {}  # of each probe's latest run
        self._states: dict[str, tuple[str | None, Control]] = {}  # key -> probe and message
        self._snapshots: dict[str, Snapshot] = {}  # of each probe's latest run, if it counts
        self._forgotten: OrderedDict[str, Snapshot] = OrderedDict()  # of probes forgotten last
        self._subscriptions: dict[int, Subscription] = {}
        self._client_ids = itertools.count(1)
        self._is_closed = False

    # -- written by probes -----------------------------------------------------------------

    def begin_run(self, probe: str) -> Ledger:
        """Return a new ledger for a run of this probe that starts now: its counters are zero."""
        with self._lock:
            self._end_run(self._ledgers.get(probe))
            self._log.remember(probe)
            self._snapshots.pop(probe, None)
            self._forgotten.pop(probe, None)
            self._ledgers[probe] = ledger = Ledger(probe)
            for subscription in self._subscriptions.values():
                subscription.begin_run(ledger)
            return ledger

    def forget(self, key: str, message: Control, *, probe: str) -> None:
        """Forget a probe, whose last run has ended: its state under this key, and its ledger.

        The message tells clients so, as of `announce`. Its rows stay in the log until they are
        evicted.
        """
        with self._lock:
            self._tell(key, message, probe, is_change=True)
            self._states.pop(key, None)
            if snapshot := self._snapshots.pop(probe, None):
                self._forgotten[probe] = snapshot
                while len(self._forgotten) > MOST_FORGOTTEN:
                    self._forgotten.popitem(last=False)
            self._end_run(self._ledgers.pop(probe, None))
            self._log.forget(probe)

    def _end_run(self, ledger: Ledger | None) -> None:
        if ledger is not None:
            ledger.is_over = True
            for subscription in self._subscriptions.values():
                subscription.end_run(ledger)

    def publish(self, ledger: Ledger, rows: int, data: bytes) -> None:
        """Append a batch to the log."""
        with self._lock:
            ledger.received += rows
            seq, first_row = self._log.next_seq, self._log.next_row
            self._append(Batch(seq, ledger.probe, rows, data, first_row, ledger, time.time()))

    def counted(self, ledger: Ledger, data: bytes) -> None:
        """Tell what a run has counted so far to every client that wants the newest states."""
        snapshot = Snapshot(ledger.probe, data)
        with self._lock:
            if ledger.is_over:
                return
            self._snapshots[ledger.probe] = snapshot
            for subscription in self._subscriptions.values():
                if subscription.reads(ledger.probe):
                    subscription.announce(_counts_of(ledger.probe), snapshot, is_change=False)

    def snapshot(self, probe: str) -> Snapshot | None:
        """Return what the latest run of a probe, also of a forgotten one, has counted, or None."""
        with self._lock:
            return self._snapshots.get(probe) or self._forgotten.get(probe)

    def lost(
        self,
        ledger: Ledger,
        where: str,
        rows: int,
        since_s: float | None = None,
        until_s: float | None = None,
    ) -> None:
        """Count rows that were lost before the hub, in the `kernel` or the `pipe`; log a gap.

        They were lost between these Unix times, None where unknown.
        """
        with self._lock:
            ledger.count_lost(where, rows)
            self._append_gap(ledger.probe, where, rows, since_s, until_s)

    def unwatched(self, probe: str, since_s: float | None, until_s: float | None) -> None:
        """Log a gap of unknown size: the probe should have run, and its programs saw no call."""
        with self._lock:
            self._append_gap(probe, "unwatched", None, since_s, until_s)

    def announce(
        self, key: str, message: Control, *, probe: str | None = None, is_change: bool = True
    ) -> None:
        """Tell a state to every client that reads this probe (None: to every client).

        It replaces a pending message with the same key. Clients that subscribed with
        `states_in_order` are told each message that `is_change`, after the rows before it, and no
        others.
        """
        with self._lock:
            self._states[key] = probe, message
            self._tell(key, message, probe, is_change=is_change)

    def _tell(self, key: str, message: Control, probe: str | None, *, is_change: bool) -> None:
        for subscription in self._subscriptions.values():
            if probe is None or subscription.reads(probe):
                subscription.announce(key, message, is_change=is_change)

    def _append_gap(
        self,
        probe: str,
        where: str,
        rows: int | None,
        since_s: float | None,
        until_s: float | None,
    ) -> None:
        seq, first_row = self._log.next_seq, self._log.next_row
        self._append(Gap(seq, probe, where, rows, first_row, since_s, until_s))

    def _append(self, item: Item) -> None:
        evicted = self._log.append(item)
        for subscription in self._subscriptions.values():
            for each in evicted:
                subscription.evicted(each)
            subscription.appended(item)

    # -- read by clients -------------------------------------------------------------------

    def subscribe(
        self,
        *,
        kind: str,
        peer: str,
        probes: frozenset[str] | None,
        recent: bool,
        states_in_order: bool = False,
    ) -> Subscription:
        """Add a client that reads these probes (None: all). Raise HubClosedError after `close`.

        With `recent` it first reads what is in the log. With `states_in_order` it is told the
        present states first, and then each change at its place among the rows; otherwise only the
        newest states, as soon as possible.
        """
        with self._lock:
            if self._is_closed:
                raise HubClosedError
            subscription = Subscription(
                self._lock,
                self._log,
                next(self._client_ids),
                kind=kind,
                peer=peer,
                probes=probes,
                recent=recent,
                states_in_order=states_in_order,
                queue_limit_bytes=self._client_queue_bytes,
                forget=lambda client_id: self._subscriptions.pop(client_id, None),
            )
            for ledger in self._ledgers.values():
                subscription.begin_run(ledger)
            if states_in_order:
                for key, (probe, message) in self._states.items():
                    if probe is None or subscription.reads(probe):
                        subscription.begin_states(key, message)
            else:
                for probe, snapshot in self._snapshots.items():
                    if subscription.reads(probe):
                        subscription.announce(_counts_of(probe), snapshot, is_change=False)
            self._subscriptions[subscription.id] = subscription
            return subscription

    def recent(
        self,
        probes: frozenset[str] | None,
        *,
        after_row: int = 0,
        rows_before: Mapping[str, int] | None = None,
    ) -> Excerpt:
        """Return what the log holds of these probes (None: all), from row `after_row` on.

        `rows_before` is what `Excerpt.rows_before` returned for that row; it tells how many rows
        of each probe have been evicted since.
        """
        with self._lock:
            snapshot = self._log.snapshot()
        return snapshot.excerpt(probes, after_row, rows_before or {})

    def holds(self, probe: str) -> bool:
        """Return whether the log has rows of this probe, which may be forgotten."""
        with self._lock:
            return self._log.holds(probe)

    @property
    def next_row(self) -> int:
        """The number that the next row will get."""
        return self._log.next_row

    def counters(self, probe: str) -> dict[str, int]:
        """Return the counters of the probe's latest run; zeros if there was none."""
        with self._lock:
            return self._ledgers.get(probe, Ledger(probe)).counters()

    def clients(self, probe: str) -> list[dict[str, Any]]:
        """Return every connected client that reads this probe, with its counters."""
        with self._lock:
            run = self._ledgers.get(probe)
            return [
                subscription.describe(probe, run)
                for subscription in self._subscriptions.values()
                if subscription.reads(probe)
            ]

    def close(self) -> None:
        """End every subscription, and refuse further ones."""
        with self._lock:
            self._is_closed = True
            for subscription in self._subscriptions.values():
                subscription.end()


def _counts_of(probe: str) -> str:
    """Return the key of a probe's counts among states, whose keys are names of probes."""
    return f"counts of {probe}"
