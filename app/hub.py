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
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# What the log spends on a batch beyond its bytes; bounds a flood of empty ones.
ITEM_OVERHEAD_BYTES = 256
# One `get` hands out about this much, so that gaps and states reach a busy client in time.
HANDOUT_BYTES = 1 << 20

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

    `first_row` numbers rows over all probes from the start of the service, so that a
    position in the stream can be told even after the batch is gone.
    """

    seq: int
    probe: str
    rows: int
    data: bytes
    first_row: int
    ledger: Ledger
    missed: bool = False

    @property
    def size_bytes(self) -> int:
        return len(self.data) + ITEM_OVERHEAD_BYTES


@dataclass(frozen=True)
class Held:
    """What the log held at one moment: batches, oldest first; how many rows (of any probe)
    before them are gone; and the number that the next row will get."""

    batches: list[Batch]
    missed: int
    next_row: int


@dataclass(eq=False)
class _Gap:
    """Rows lost before the hub, at this place of the log."""

    seq: int
    probe: str
    where: str
    rows: int
    size_bytes: int = ITEM_OVERHEAD_BYTES


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
        self._log: deque[Batch | _Gap] = deque()
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
            batch = Batch(self.next_seq, ledger.probe, rows, data, self.next_row, ledger)
            ledger.received += rows
            self.next_row += rows
            self._append(batch)

    def lost(self, ledger: Ledger, where: str, rows: int) -> None:
        """Rows were lost before the hub; `where` is kernel or pipe."""
        with self._lock:
            if where == "kernel":
                ledger.dropped_kernel += rows
            else:
                ledger.dropped_pipe += rows
            self._append(_Gap(self.next_seq, ledger.probe, where, rows))

    def announce(self, key: str, message: Control) -> None:
        """Tell every client; an older message of the same key not yet taken is replaced."""
        with self._lock:
            for subscription in self._subscriptions.values():
                subscription._states[key] = message
                subscription._wake.notify()

    def _append(self, item: Batch | _Gap) -> None:
        self.next_seq += 1
        self._log.append(item)
        self._held_bytes += item.size_bytes
        while self._held_bytes > self.recent_bytes and len(self._log) > 1:
            oldest = self._log.popleft()
            self._held_bytes -= oldest.size_bytes
            for subscription in self._subscriptions.values():
                subscription._evicted(oldest)
        for subscription in self._subscriptions.values():
            subscription._appended(item)

    # -- what clients take ----------------------------------------------------------------

    def subscribe(
        self, *, kind: str, peer: str, probes: frozenset[str] | None, recent: bool
    ) -> Subscription:
        """A new client; with `recent` it first reads what the log holds. Raises HubClosed."""
        with self._lock:
            if self._closed:
                raise HubClosed
            subscription = Subscription(self, next(self._client_ids), kind, peer, probes)
            subscription._begin(recent)
            self._subscriptions[subscription.id] = subscription
            return subscription

    def recent(self, probes: frozenset[str] | None, *, after_row: int = 0) -> Held:
        """What the log holds of these probes (None: all), of the rows from `after_row` on."""
        with self._lock:
            batches = [item for item in self._log if isinstance(item, Batch)]
            next_row = self.next_row
        first_held = batches[0].first_row if batches else next_row
        wanted = [
            batch
            for batch in batches
            if batch.first_row + batch.rows > after_row
            and (probes is None or batch.probe in probes)
        ]
        return Held(wanted, max(0, first_held - after_row), next_row)

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
    _position: int = 0  # seq of the next item to take
    _waiting_bytes: int = 0
    _caught_up: bool = False
    _gaps: dict[tuple[str, str], int] = field(default_factory=dict)
    _states: dict[str, Control] = field(default_factory=dict)
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
                {"type": "gap", "probe": probe, "where": where, "rows": rows}
                for (probe, where), rows in self._gaps.items()
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
        self._caught_up = self._position == self.hub.next_seq

    def _wants(self, probe: str) -> bool:
        return self.probes is None or probe in self.probes

    def _has_something(self) -> bool:
        return bool(
            self.hub._closed
            or self._gaps
            or self._states
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

    def _count_in(self, item: Batch | _Gap) -> None:
        if self._wants(item.probe):
            self._waiting_bytes += item.size_bytes
            if isinstance(item, Batch):
                self._account(item.ledger).queued += item.rows

    def _appended(self, item: Batch | _Gap) -> None:
        if not self._wants(item.probe):
            return
        self._count_in(item)
        if self._caught_up and self._waiting_bytes > self.hub.client_queue_bytes:
            self._walk(lambda: self._waiting_bytes > self.hub.client_queue_bytes, self._drop)
        self._wake.notify()

    def _evicted(self, item: Batch | _Gap) -> None:
        if item.seq >= self._position:
            self._position = item.seq + 1
            self._drop(item)

    def _drop(self, item: Batch | _Gap) -> None:
        if not self._wants(item.probe):
            return
        self._waiting_bytes -= item.size_bytes
        where = "client" if isinstance(item, Batch) else item.where
        self._gaps[item.probe, where] = self._gaps.get((item.probe, where), 0) + item.rows
        if isinstance(item, Batch):
            account = self._account(item.ledger)
            account.queued -= item.rows
            account.dropped += item.rows
            if not item.missed:
                item.missed = True
                item.ledger.dropped_client += item.rows

    def _walk(self, go_on: Callable[[], bool], take: Callable[[Batch | _Gap], None]) -> None:
        """Advance over the log from this client's position while `go_on()`."""
        log = self.hub._log
        while self._position < self.hub.next_seq and go_on():
            item = log[self._position - log[0].seq]  # seqs in the log are consecutive
            self._position += 1
            take(item)

    def _take(self, items: list[Batch | Control]) -> None:
        taken = 0

        def take(item: Batch | _Gap) -> None:
            nonlocal taken
            if not self._wants(item.probe):
                return
            self._waiting_bytes -= item.size_bytes
            if isinstance(item, Batch):
                taken += item.size_bytes
                items.append(item)
            else:
                gap = {"type": "gap", "probe": item.probe, "where": item.where, "rows": item.rows}
                items.append(gap)

        self._walk(lambda: taken < HANDOUT_BYTES, take)
        if self._position == self.hub.next_seq:
            self._caught_up = True
