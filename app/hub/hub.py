# SPDX-License-Identifier: Apache-2.0
"""The hub: a bounded log of the batches that tracers send, read by clients at their own pace.

Knows no column: a batch is bytes with a number of rows. Neither bcc nor flask. A client is
a position in the log and no queue of its own, so memory is bounded once, whatever
the number of clients; a client that comes late reads the held batches and goes on with the live
ones, with neither gap nor duplicate between, because both are the same log.

What a slow client cannot be given any more is dropped for that client, counted, and told to it
as a gap at the place where the rows are missing.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.timestamps import rfc3339

# What the log spends on a batch beyond its bytes; bounds a flood of empty ones.
ITEM_OVERHEAD_BYTES = 256
# One `get` hands out about this much, so that gaps and states reach a busy client in time.
HANDOUT_BYTES = 1 << 20
# Changes of state that may wait for a client that gets each of them; then the oldest are left out.
MOST_STATES = 64

Control = dict[str, Any]


class HubClosed(Exception):
    """The service is ending: the subscription gives nothing any more."""


@dataclass(eq=False)
class Ledger:
    """Where the rows of one run of one probe went. All counts are rows.

    `received = delivered + dropped_client`, and `produced = received + dropped_kernel +
    dropped_pipe`, hold by construction; that the kernel's own count of produced rows
    says the same is checked where tracer reports arrive (`app.probes.run`).
    """

    probe: str
    received: int = 0
    dropped_kernel: int = 0
    dropped_pipe: int = 0
    dropped_client: int = 0

    def counters(self) -> dict[str, int]:
        return {
            "produced": self.received + self.dropped_kernel + self.dropped_pipe,
            "delivered": self.received - self.dropped_client,
            "dropped_kernel": self.dropped_kernel,
            "dropped_pipe": self.dropped_pipe,
            "dropped_client": self.dropped_client,
        }


@dataclass(eq=False)
class Batch:
    """Rows of one probe: a self-contained Arrow IPC stream of `rows` rows.

    `first_row` numbers rows and gaps over all probes from the start of the service, so that a
    position in the stream can be told even after the batch is gone. `at_s` is when it came (Unix
    time).
    """

    seq: int
    probe: str
    rows: int
    data: bytes
    first_row: int
    ledger: Ledger
    at_s: float = 0.0
    missed: bool = False

    @property
    def size_bytes(self) -> int:
        return len(self.data) + ITEM_OVERHEAD_BYTES


@dataclass(eq=False)
class Gap:
    """Something is missing at this place of the log; in the numbering of rows it counts as one.

    `where` is kernel or pipe, of rows lost before the hub; or unwatched: no program saw any call,
    and nobody knows how many there were (`rows` is None). From `since_s` to `until_s`, as Unix
    time, where that is known.
    """

    seq: int
    probe: str
    where: str
    rows: int | None
    first_row: int
    since_s: float | None = None
    until_s: float | None = None
    size_bytes: int = ITEM_OVERHEAD_BYTES

    def message(self) -> Control:
        """As every client is told (docs/protocol.md)."""
        return gap_message(self.probe, self.where, self.rows, self.since_s, self.until_s)


@dataclass(frozen=True)
class Held:
    """What the log held at one moment, of the probes asked for and after the place asked for.

    `items` are oldest first; `missed` rows of these probes, after that place, are gone; `next_row`
    is the number that the next row will get.
    """

    items: list[Batch | Gap]
    missed: int
    next_row: int
    _totals: dict[str, int]
    _log: list[Batch | Gap]

    @property
    def batches(self) -> list[Batch]:
        return [item for item in self.items if isinstance(item, Batch)]

    def rows_before(self, row: int) -> dict[str, int]:
        """How many rows each probe has had before this place, which is not before the log's."""
        counts = dict(self._totals)
        for item in reversed(self._log):
            if isinstance(item, Batch):
                behind = item.first_row + item.rows - row
                if behind <= 0:
                    break
                counts[item.probe] -= min(behind, item.rows)
        return {probe: count for probe, count in counts.items() if count}


@dataclass
class _Missing:
    """What a client must be told that it misses, until it is."""

    rows: int | None
    since_s: float | None
    until_s: float | None

    def add(self, rows: int | None, since_s: float | None, until_s: float | None) -> None:
        """More of the same kind, later; all between was missed by this client too."""
        self.rows = None if self.rows is None or rows is None else self.rows + rows
        self.since_s = None if since_s is None or self.since_s is None else self.since_s
        self.until_s = None if self.until_s is None else until_s


@dataclass
class _Account:
    """One client's ledger of one run of a probe, in rows; losses before it came are not its."""

    kernel_before: int
    pipe_before: int
    delivered: int = 0
    dropped: int = 0
    queued: int = 0


@dataclass
class Hub:
    """The log and its readers. Every method may be called from any thread."""

    recent_bytes: int
    client_queue_bytes: int
    next_seq: int = 0
    next_row: int = 0
    _held_bytes: int = 0
    _closed: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._log: deque[Batch | Gap] = deque()
        self._rows: dict[str, int] = {}  # of each probe, in all of its runs
        self._evicted_rows: dict[str, int] = {}
        self._states: dict[str, tuple[str | None, Control]] = {}
        self._ledgers: dict[str, Ledger] = {}
        self._subscriptions: dict[int, Subscription] = {}
        self._client_ids = itertools.count(1)

    # -- what tracers bring ---------------------------------------------------------------

    def begin_run(self, probe: str) -> Ledger:
        """A probe starts anew: its counters begin at zero."""
        with self._lock:
            self._ledgers[probe] = ledger = Ledger(probe)
            for subscription in self._subscriptions.values():
                subscription._begin_run(ledger)
            return ledger

    def publish(self, ledger: Ledger, rows: int, data: bytes) -> None:
        """Append a batch to the log."""
        with self._lock:
            batch = Batch(
                self.next_seq, ledger.probe, rows, data, self.next_row, ledger, time.time()
            )
            ledger.received += rows
            self._rows[ledger.probe] = self._rows.get(ledger.probe, 0) + rows
            self._append(batch, rows)

    def lost(
        self,
        ledger: Ledger,
        where: str,
        rows: int,
        since_s: float | None = None,
        until_s: float | None = None,
    ) -> None:
        """Rows were lost before the hub, between these moments; `where` is kernel or pipe."""
        with self._lock:
            if where == "kernel":
                ledger.dropped_kernel += rows
            else:
                ledger.dropped_pipe += rows
            self._append_gap(ledger.probe, where, rows, since_s, until_s)

    def unwatched(self, probe: str, since_s: float | None, until_s: float | None) -> None:
        """No program of a probe that should be running saw any call between these moments."""
        with self._lock:
            self._append_gap(probe, "unwatched", None, since_s, until_s)

    def announce(
        self, key: str, message: Control, *, probe: str | None = None, is_change: bool = True
    ) -> None:
        """Tell every client that reads this probe (None: all).

        An older message of the same key not yet taken is replaced; but a client that takes states
        in order gets each one that `is_change`, behind the rows before it, and no others.
        """
        with self._lock:
            self._states[key] = probe, message
            for subscription in self._subscriptions.values():
                if probe is None or subscription._wants(probe):
                    subscription._announce(key, message, is_change)

    def _append_gap(
        self,
        probe: str,
        where: str,
        rows: int | None,
        since_s: float | None,
        until_s: float | None,
    ) -> None:
        self._append(Gap(self.next_seq, probe, where, rows, self.next_row, since_s, until_s), 1)

    def _append(self, item: Batch | Gap, places: int) -> None:
        self.next_seq += 1
        self.next_row += places
        self._log.append(item)
        self._held_bytes += item.size_bytes
        while self._held_bytes > self.recent_bytes and len(self._log) > 1:
            oldest = self._log.popleft()
            self._held_bytes -= oldest.size_bytes
            if isinstance(oldest, Batch):
                gone = self._evicted_rows.get(oldest.probe, 0)
                self._evicted_rows[oldest.probe] = gone + oldest.rows
            for subscription in self._subscriptions.values():
                subscription._evicted(oldest)
        for subscription in self._subscriptions.values():
            subscription._appended(item)

    # -- what clients take ----------------------------------------------------------------

    def subscribe(
        self,
        *,
        kind: str,
        peer: str,
        probes: frozenset[str] | None,
        recent: bool,
        states_in_order: bool = False,
    ) -> Subscription:
        """A new client; with `recent` it first reads what the log holds. Raises HubClosed.

        With `states_in_order` it is given the present states first, and then each change of them
        at its place; else the newest states only, and at once.
        """
        with self._lock:
            if self._closed:
                raise HubClosed
            subscription = Subscription(
                self, next(self._client_ids), kind, peer, probes, states_in_order
            )
            subscription._begin(recent)
            self._subscriptions[subscription.id] = subscription
            return subscription

    def recent(
        self,
        probes: frozenset[str] | None,
        *,
        after_row: int = 0,
        rows_before: Mapping[str, int] | None = None,
    ) -> Held:
        """What the log holds of these probes (None: all), from the row numbered `after_row` on.

        `rows_before` are the rows of each probe before that place (`Held.rows_before`), to tell how
        many of them are gone.
        """
        with self._lock:
            log, next_row = list(self._log), self.next_row
            totals, evicted = dict(self._rows), dict(self._evicted_rows)
        before = rows_before or {}
        first_held = log[0].first_row if log else next_row
        missed = sum(
            max(0, rows - before.get(probe, 0))
            for probe, rows in evicted.items()
            if probes is None or probe in probes
        )
        wanted = [
            item
            for item in log
            if item.first_row + (item.rows if isinstance(item, Batch) else 1) > after_row
            and (probes is None or item.probe in probes)
        ]
        # However long ago that place was, not more than there were in all.
        return Held(wanted, min(missed, max(0, first_held - after_row)), next_row, totals, log)

    def counters(self, probe: str) -> dict[str, int]:
        """The probe's ledger of its present or last run."""
        with self._lock:
            return self._ledgers.get(probe, Ledger(probe)).counters()

    def clients(self, probe: str) -> list[dict[str, Any]]:
        """Every connected client that reads this probe, with its own ledger."""
        with self._lock:
            return [
                {
                    "client": s.id,
                    "peer": s.peer,
                    "kind": s.kind,
                    **s._ledger_of(probe),
                }
                for s in self._subscriptions.values()
                if s._wants(probe)
            ]

    def close(self) -> None:
        """End every subscription; later ones are refused."""
        with self._lock:
            self._closed = True
            for subscription in self._subscriptions.values():
                subscription._wake.notify_all()


@dataclass(eq=False)
class Subscription:
    """One client's place in the log. Made by `Hub.subscribe`; a context manager."""

    hub: Hub
    id: int
    kind: str
    peer: str
    probes: frozenset[str] | None
    states_in_order: bool = False
    _position: int = 0  # seq of the next item to take
    _waiting_bytes: int = 0
    _caught_up: bool = False
    _gaps: dict[tuple[str, str], _Missing] = field(default_factory=dict)
    _states: dict[str, Control] = field(default_factory=dict)
    # With the seq of the item that they come before.
    _changes: deque[tuple[int, Control]] = field(default_factory=deque)
    _accounts: dict[Ledger, _Account] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._wake = threading.Condition(self.hub._lock)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Unsubscribe; harmless when done already."""
        with self.hub._lock:
            self.hub._subscriptions.pop(self.id, None)

    def get(self, timeout_s: float) -> list[Batch | Control]:
        """What comes next, in order; [] when nothing came in time. Raises HubClosed.

        Rows dropped for this client come as `{"type": "gap", "where": "client", ...}` before
        the first batch that follows them.
        """
        with self.hub._lock:
            self._wake.wait_for(self._has_something, timeout_s)
            if self.hub._closed:
                raise HubClosed
            items: list[Batch | Control] = [
                gap_message(probe, where, missing.rows, missing.since_s, missing.until_s)
                for (probe, where), missing in self._gaps.items()
            ]
            self._gaps.clear()
            items.extend(self._states.values())
            self._states.clear()
            self._take(items)
            return items

    def delivered(self, batch: Batch) -> None:
        """The batch was written to the client."""
        with self.hub._lock:
            account = self._account(batch.ledger)
            account.queued -= batch.rows
            account.delivered += batch.rows

    # -- under the hub's lock from here on --------------------------------------------------

    def _begin(self, recent: bool) -> None:
        self._position = self.hub.next_seq
        for ledger in self.hub._ledgers.values():
            self._account(ledger)
        if recent and self.hub._log:
            self._position = self.hub._log[0].seq
            for item in self.hub._log:
                self._count_in(item)
        if self.states_in_order:
            for probe, message in self.hub._states.values():
                if probe is None or self._wants(probe):
                    self._changes.append((self._position, message))
        self._caught_up = self._position == self.hub.next_seq

    def _wants(self, probe: str) -> bool:
        return self.probes is None or probe in self.probes

    def _has_something(self) -> bool:
        return bool(
            self.hub._closed
            or self._gaps
            or self._states
            or self._changes
            or self._waiting_bytes  # items not wanted are not counted in
        )

    def _account(self, ledger: Ledger) -> _Account:
        account = self._accounts.get(ledger)
        if account is None:
            account = _Account(ledger.dropped_kernel, ledger.dropped_pipe)
            self._accounts[ledger] = account
        return account

    def _begin_run(self, ledger: Ledger) -> None:
        for old, account in list(self._accounts.items()):
            if old.probe == ledger.probe and not account.queued:
                del self._accounts[old]
        self._account(ledger)

    def _ledger_of(self, probe: str) -> dict[str, Any]:
        ledger = self.hub._ledgers.get(probe)
        if ledger is None:
            return {"queued": 0, "counters": Ledger(probe).counters()}
        account = self._account(ledger)
        kernel = ledger.dropped_kernel - account.kernel_before
        pipe = ledger.dropped_pipe - account.pipe_before
        return {
            "queued": account.queued,
            "counters": {
                "produced": account.delivered + account.dropped + kernel + pipe,
                "delivered": account.delivered,
                "dropped_kernel": kernel,
                "dropped_pipe": pipe,
                "dropped_client": account.dropped,
            },
        }

    def _count_in(self, item: Batch | Gap) -> None:
        if self._wants(item.probe):
            self._waiting_bytes += item.size_bytes
            if isinstance(item, Batch):
                self._account(item.ledger).queued += item.rows

    def _announce(self, key: str, message: Control, is_change: bool) -> None:
        if not self.states_in_order:
            self._states[key] = message
        elif is_change:
            if len(self._changes) == MOST_STATES:
                self._changes.popleft()
            self._changes.append((self.hub.next_seq, message))
        self._wake.notify()

    def _appended(self, item: Batch | Gap) -> None:
        if not self._wants(item.probe):
            return
        self._count_in(item)
        if self._caught_up and self._waiting_bytes > self.hub.client_queue_bytes:
            self._walk(lambda: self._waiting_bytes > self.hub.client_queue_bytes, self._drop)
        self._wake.notify()

    def _evicted(self, item: Batch | Gap) -> None:
        if item.seq >= self._position:
            self._position = item.seq + 1
            self._drop(item)

    def _drop(self, item: Batch | Gap) -> None:
        if not self._wants(item.probe):
            return
        self._waiting_bytes -= item.size_bytes
        where = "client" if isinstance(item, Batch) else item.where
        missing: tuple[int | None, float | None, float | None]
        if isinstance(item, Batch):
            missing = item.rows, item.at_s, item.at_s
        else:
            missing = item.rows, item.since_s, item.until_s
        if known := self._gaps.get((item.probe, where)):
            known.add(*missing)
        else:
            self._gaps[item.probe, where] = _Missing(*missing)
        if isinstance(item, Batch):
            account = self._account(item.ledger)
            account.queued -= item.rows
            account.dropped += item.rows
            if not item.missed:
                item.missed = True
                item.ledger.dropped_client += item.rows

    def _walk(self, go_on: Callable[[], bool], take: Callable[[Batch | Gap], None]) -> None:
        """Advance over the log from this client's position while `go_on()`."""
        log = self.hub._log
        while self._position < self.hub.next_seq and go_on():
            item = log[self._position - log[0].seq]  # seqs in the log are consecutive
            self._position += 1
            take(item)

    def _take(self, items: list[Batch | Control]) -> None:
        taken = 0

        def take(item: Batch | Gap) -> None:
            nonlocal taken
            self._take_changes(items, item.seq)
            if not self._wants(item.probe):
                return
            self._waiting_bytes -= item.size_bytes
            if isinstance(item, Batch):
                taken += item.size_bytes
                items.append(item)
            else:
                items.append(item.message())

        self._walk(lambda: taken < HANDOUT_BYTES, take)
        self._take_changes(items, self._position)
        if self._position == self.hub.next_seq:
            self._caught_up = True

    def _take_changes(self, items: list[Batch | Control], before_seq: int) -> None:
        while self._changes and self._changes[0][0] <= before_seq:
            items.append(self._changes.popleft()[1])


def gap_message(
    probe: str, where: str, rows: int | None, since_s: float | None, until_s: float | None
) -> Control:
    """Something is missing here, as every client is told (docs/protocol.md)."""
    return {
        "type": "gap",
        "probe": probe,
        "where": where,
        "rows": rows,
        "from": None if since_s is None else rfc3339(since_s),
        "to": None if until_s is None else rfc3339(until_s),
    }
