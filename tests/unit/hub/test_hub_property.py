# SPDX-License-Identifier: Apache-2.0
"""Whatever the order of events, each row is delivered to a client or reported to it as missing.

A hypothesis state machine drives the hub itself: small limits, and clients that are fast, slow or
leave early.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from app.hub import ITEM_OVERHEAD_BYTES, Batch, Hub, Ledger, Subscription

PROBES = ("fexit", "kprobe")
BATCH_BYTES = 1000
RECENT_BATCHES, QUEUED_BATCHES = 20, 6
ITEM_BYTES = BATCH_BYTES + ITEM_OVERHEAD_BYTES


@dataclass
class Reader:
    """A client, and what it was due and was told since it subscribed, by probe."""

    subscription: Subscription
    due: dict[str, int]  # rows that arrived at the hub for it
    lost: dict[str, int]  # rows lost before the hub since it subscribed
    got: dict[str, int] = field(default_factory=dict)
    told: dict[tuple[str, str], int] = field(default_factory=dict)
    reads_recent: bool = False  # then it is also told earlier losses that are in the log

    def take(self) -> bool:
        items = self.subscription.get(0)
        for item in items:
            if isinstance(item, Batch):
                self.got[item.probe] = self.got.get(item.probe, 0) + item.rows
                self.subscription.delivered(item)
            elif item["type"] == "gap":
                key = (item["probe"], item["where"])
                self.told[key] = self.told.get(key, 0) + (item["rows"] or 0)
        return bool(items)


class Ledgers(RuleBasedStateMachine):
    """Publish, lose, subscribe, read and leave, in an order that hypothesis chooses."""

    clients = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self.hub = Hub(RECENT_BATCHES * ITEM_BYTES, QUEUED_BATCHES * ITEM_BYTES)
        self.ledgers: dict[str, Ledger] = {}
        self.produced: dict[str, int] = {}
        self.rows = dict.fromkeys(PROBES, 0)  # of all runs
        self.positions: list[tuple[int, dict[str, int]]] = []
        self.readers: list[Reader] = []
        for probe in PROBES:
            self.begin(probe)

    @rule(probe=st.sampled_from(PROBES))
    def begin(self, probe: str) -> None:
        self.ledgers[probe] = self.hub.begin_run(probe)
        self.produced[probe] = 0

    @rule(probe=st.sampled_from(PROBES), sizes=st.lists(st.integers(1, 50), max_size=12))
    def publish(self, probe: str, sizes: list[int]) -> None:
        for rows in sizes:
            self.hub.publish(self.ledgers[probe], rows, bytes(BATCH_BYTES))
            self.produced[probe] += rows
            self.rows[probe] += rows
            for reader in self.readers:
                if probe in reader.due:
                    reader.due[probe] += rows

    @rule(
        probe=st.sampled_from(PROBES),
        where=st.sampled_from(["kernel", "pipe"]),
        rows=st.integers(1, 50),
    )
    def lose(self, probe: str, where: str, rows: int) -> None:
        self.hub.lost(self.ledgers[probe], where, rows)
        self.produced[probe] += rows
        for reader in self.readers:
            if probe in reader.lost:
                reader.lost[probe] += rows

    @rule(probe=st.sampled_from(PROBES))
    def go_unwatched(self, probe: str) -> None:
        self.hub.unwatched(probe, 1.0, 2.0)

    @rule(data=st.data())
    def ask_for_recent(self, data: st.DataObject) -> None:
        """From an earlier position, rows in the log and evicted rows are all there were."""
        held = self.hub.recent(None)
        first = held.items[0].first_row if held.items else held.next_row
        position = data.draw(st.integers(first, held.next_row))
        self.positions.append((position, held.rows_before(position)))
        position, before = data.draw(st.sampled_from(self.positions))
        for probes in (None, *(frozenset({probe}) for probe in PROBES)):
            found = self.hub.recent(probes, after_row=position, rows_before=before)
            got = sum(batch.rows - max(0, position - batch.first_row) for batch in found.batches)
            due = sum(self.rows[probe] - before.get(probe, 0) for probe in probes or PROBES)
            assert got + found.missed == due

    @rule(
        target=clients,
        probes=st.sampled_from([None, frozenset({"fexit"}), frozenset(PROBES)]),
        recent=st.booleans(),
    )
    def subscribe(self, probes: frozenset[str] | None, recent: bool) -> Reader:
        held = self.hub.recent(probes).batches if recent else []
        wanted = probes or PROBES
        due = {p: sum(batch.rows for batch in held if batch.probe == p) for p in wanted}
        subscription = self.hub.subscribe(kind="test", peer="-", probes=probes, recent=recent)
        reader = Reader(subscription, due, dict.fromkeys(wanted, 0), reads_recent=recent)
        self.readers.append(reader)
        return reader

    @rule(reader=clients)
    def read(self, reader: Reader) -> None:
        reader.take()

    @rule(reader=clients)
    def read_all(self, reader: Reader) -> None:
        """Every row that was due was delivered or reported as missing."""
        while reader.take():
            pass
        for probe, due in reader.due.items():
            missed = reader.told.get((probe, "client"), 0)
            assert reader.got.get(probe, 0) + missed == due
            told = sum(reader.told.get((probe, where), 0) for where in ("kernel", "pipe"))
            if reader.reads_recent:
                assert told >= reader.lost[probe]
            else:
                assert told == reader.lost[probe]
        for probe, where in reader.told:
            assert probe in reader.due, where

    @rule(reader=consumes(clients))
    def leave(self, reader: Reader) -> None:
        """Unsubscribe with rows unread."""
        reader.subscription.close()
        self.readers.remove(reader)

    @invariant()
    def each_row_is_accounted_for(self) -> None:
        for probe in PROBES:
            counters = self.hub.counters(probe)
            assert counters["produced"] == self.produced[probe]
            self.balanced(counters)
            for client in self.hub.clients(probe):
                self.balanced(client["counters"])
                assert client["queued"] >= 0
                assert all(count >= 0 for count in client["counters"].values())

    @invariant()
    def memory_is_bounded(self) -> None:
        held = sum(batch.size_bytes for batch in self.hub.recent(None).batches)
        assert held <= RECENT_BATCHES * ITEM_BYTES
        for reader in self.readers:
            waiting = reader.subscription.queued_bytes
            assert 0 <= waiting <= RECENT_BATCHES * ITEM_BYTES

    def balanced(self, counters: dict[str, int]) -> None:
        lost = sum(count for name, count in counters.items() if name.startswith("dropped_"))
        assert counters["produced"] == counters["delivered"] + lost


def test_the_ledgers_balance_whatever_happens() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Ledgers,
        settings=settings(
            max_examples=150, stateful_step_count=60, deadline=None, derandomize=True
        ),
    )
