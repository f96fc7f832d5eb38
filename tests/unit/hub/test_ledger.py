# SPDX-License-Identifier: Apache-2.0
"""Counters of probes and clients add up."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.hub import ITEM_OVERHEAD_BYTES, Batch, Hub, Subscription
from tests.support.hub_clients import rows_of, subscribe, take_all

MIB = 1 << 20


def test_rows_missed_by_two_clients_count_once_for_the_probe() -> None:
    hub = Hub(MIB, 1)
    ledger = hub.begin_run("a")
    slow = [subscribe(hub), subscribe(hub)]
    hub.publish(ledger, 5, b"x")
    assert hub.counters("a")["dropped_client"] == 5
    assert [take_all(s)[0]["rows"] for s in slow] == [5, 5]


def test_a_new_run_counts_from_zero_and_old_rows_stay_with_the_old() -> None:
    hub = Hub(MIB, 3 * (100 + ITEM_OVERHEAD_BYTES))
    old = hub.begin_run("a")
    client = subscribe(hub)
    for _ in range(3):
        hub.publish(old, 1, b"o" * 100)
    new = hub.begin_run("a")
    for _ in range(3):
        hub.publish(new, 1, b"n" * 100)
    assert hub.counters("a")["dropped_client"] == 0
    assert old.dropped_client == 3
    assert rows_of(take_all(client)) == [b"n" * 100] * 3
    assert hub.clients("a")[0]["counters"]["produced"] == 3


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 1), st.integers(1, 9), st.integers(0, 400)),
        st.tuples(st.just("lost"), st.integers(0, 1), st.integers(1, 9), st.integers(0, 1)),
        st.tuples(st.just("read"), st.integers(0, 2), st.just(0), st.just(0)),
        st.tuples(st.just("join"), st.integers(0, 1), st.just(0), st.just(0)),
        st.tuples(st.just("restart"), st.integers(0, 1), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_every_row_is_delivered_or_counted_as_dropped(steps: list[tuple[Any, ...]]) -> None:
    """Whatever the order of events, each client's counters and the probe's add up."""
    hub = Hub(3000, 1500)
    names = ("a", "b")
    ledgers = {name: hub.begin_run(name) for name in names}
    clients: list[Subscription] = [subscribe(hub)]
    told: dict[int, int] = {clients[0].id: 0}
    published = dict.fromkeys(names, 0)

    def read(client: Subscription) -> None:
        for item in take_all(client):
            if isinstance(item, Batch):
                told[client.id] += item.rows
            elif item["where"] == "client":
                told[client.id] += item["rows"]

    offered: dict[int, int] = {clients[0].id: 0}
    for step, number, count, size in steps:
        name = names[number % 2]
        if step == "publish":
            hub.publish(ledgers[name], count, b"." * size)
            published[name] += count
            for client in clients:
                offered[client.id] += count
        elif step == "lost":
            hub.lost(ledgers[name], ("kernel", "pipe")[size], count)
            published[name] += count
        elif step == "read" and number < len(clients):
            read(clients[number])
        elif step == "join":
            held = sum(batch.rows for batch in hub.recent(None).batches)
            clients.append(subscribe(hub, recent=number == 0))
            told[clients[-1].id] = 0
            offered[clients[-1].id] = held if number == 0 else 0
        elif step == "restart":
            ledgers[name] = hub.begin_run(name)
            published[name] = 0
        for each in names:
            c = hub.counters(each)
            assert c["produced"] == published[each]
            assert c["produced"] == sum(v for k, v in c.items() if k != "produced")
            for client_ledger in hub.clients(each):
                c = client_ledger["counters"]
                assert c["produced"] == sum(v for k, v in c.items() if k != "produced")
    for client in clients:
        read(client)
    assert told == offered
    for name in names:
        assert all(client_ledger["queued"] == 0 for client_ledger in hub.clients(name))


def test_a_run_that_is_over_counts_until_its_last_row_is_read() -> None:
    hub = Hub(MIB, MIB)
    run = hub.begin_run("own")
    client = subscribe(hub)
    hub.publish(run, 5, b"x")
    hub.forget("state:own", {"type": "forgotten", "probe": "own"}, probe="own")
    assert list(client._ledgers._by_run) == [run]
    assert rows_of(take_all(client)) == [b"x"]
    assert list(client._ledgers._by_run) == []
    assert hub.counters("own")["produced"] == 0
    with subscribe(hub) as later:  # which reads what the log still has
        assert rows_of(take_all(later)) == [b"x"]
        assert list(later._ledgers._by_run) == []
