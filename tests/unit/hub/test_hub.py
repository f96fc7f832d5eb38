# SPDX-License-Identifier: Apache-2.0
"""The hub's log: order, bounds, and ledgers that add up."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.hub import ITEM_OVERHEAD_BYTES, Batch, Hub, HubClosedError, Subscription

MIB = 1 << 20


def take_all(subscription: Subscription) -> list[Any]:
    items: list[Any] = []
    while got := subscription.get(0):
        items += got
        for item in got:
            if isinstance(item, Batch):
                subscription.delivered(item)
    return items


def rows_of(items: list[Any]) -> list[bytes]:
    return [item.data for item in items if isinstance(item, Batch)]


def subscribe(
    hub: Hub, *, recent: bool = True, probes: frozenset[str] | None = None
) -> Subscription:
    return hub.subscribe(kind="test", peer="nobody", probes=probes, recent=recent)


def test_late_client_gets_recent_then_live_without_gap_or_duplicate() -> None:
    hub = Hub(MIB, MIB)
    ledger = hub.begin_run("a")
    hub.publish(ledger, 1, b"0")
    late = subscribe(hub)
    hub.publish(ledger, 1, b"1")
    assert rows_of(take_all(late)) == [b"0", b"1"]


def test_client_that_wants_no_recent_gets_live_only() -> None:
    hub = Hub(MIB, MIB)
    ledger = hub.begin_run("a")
    hub.publish(ledger, 1, b"0")
    late = subscribe(hub, recent=False)
    hub.publish(ledger, 1, b"1")
    assert rows_of(take_all(late)) == [b"1"]


def test_client_gets_only_the_probes_it_asked_for() -> None:
    hub = Hub(MIB, MIB)
    a, b = hub.begin_run("a"), hub.begin_run("b")
    only_b = subscribe(hub, probes=frozenset({"b"}))
    hub.publish(a, 1, b"a")
    hub.publish(b, 1, b"b")
    hub.lost(a, "kernel", 3)
    assert rows_of(take_all(only_b)) == [b"b"]
    assert hub.clients("a") == []
    assert [client["client"] for client in hub.clients("b")] == [only_b.id]


def test_the_log_is_bounded_in_bytes() -> None:
    hub = Hub(10 * (100 + ITEM_OVERHEAD_BYTES), MIB)
    ledger = hub.begin_run("a")
    for number in range(50):
        hub.publish(ledger, 1, bytes([number]) * 100)
    held = hub.recent(None)
    assert (len(held.batches), held.missed, held.next_row) == (10, 40, 50)
    held = hub.recent(None, after_row=45)
    assert [batch.first_row for batch in held.batches] == [45, 46, 47, 48, 49]
    assert held.missed == 0


def test_slow_client_is_told_of_its_gap_where_the_rows_are_missing() -> None:
    hub = Hub(MIB, 3 * (100 + ITEM_OVERHEAD_BYTES))
    ledger = hub.begin_run("a")
    slow, quick = subscribe(hub), subscribe(hub)
    seen = []
    for number in range(10):
        hub.publish(ledger, 2, bytes([number]) * 100)
        seen += rows_of(take_all(quick))
    assert len(seen) == 10
    items = take_all(slow)
    gap = items[0]
    assert gap["from"] <= gap["to"]
    times = {"from": gap["from"], "to": gap["to"]}
    assert gap == {"type": "gap", "probe": "a", "where": "client", "rows": 14, **times}
    assert rows_of(items) == [bytes([number]) * 100 for number in (7, 8, 9)]
    by_id = {client["client"]: client for client in hub.clients("a")}
    assert by_id[slow.id]["counters"]["dropped_client"] == 14
    assert by_id[quick.id]["counters"]["dropped_client"] == 0
    assert hub.counters("a") == {
        "produced": 20,
        "delivered": 6,
        "dropped_kernel": 0,
        "dropped_pipe": 0,
        "dropped_client": 14,
    }


def test_rows_missed_by_two_clients_count_once_for_the_probe() -> None:
    hub = Hub(MIB, 1)
    ledger = hub.begin_run("a")
    slow = [subscribe(hub), subscribe(hub)]
    hub.publish(ledger, 5, b"x")
    assert hub.counters("a")["dropped_client"] == 5
    assert [take_all(s)[0]["rows"] for s in slow] == [5, 5]


def test_a_loss_before_the_hub_stands_at_its_place() -> None:
    hub = Hub(MIB, MIB)
    ledger = hub.begin_run("a")
    client = subscribe(hub)
    hub.publish(ledger, 1, b"0")
    hub.lost(ledger, "kernel", 7, 0.0, 1.5)
    hub.publish(ledger, 1, b"1")
    items = take_all(client)
    assert isinstance(items[0], Batch)
    assert items[1] == {
        "type": "gap",
        "probe": "a",
        "where": "kernel",
        "rows": 7,
        "from": "1970-01-01T00:00:00.000000Z",
        "to": "1970-01-01T00:00:01.500000Z",
    }
    assert hub.counters("a")["produced"] == 9


def test_a_time_without_programs_has_no_number_and_is_in_no_counter() -> None:
    hub = Hub(MIB, MIB)
    ledger = hub.begin_run("a")
    client, other = subscribe(hub), subscribe(hub, probes=frozenset({"b"}))
    hub.publish(ledger, 1, b"0")
    hub.unwatched("a", 1.0, None)
    hub.publish(ledger, 1, b"1")
    gap = take_all(client)[1]
    assert (gap["where"], gap["rows"], gap["to"]) == ("unwatched", None, None)
    assert gap["from"] == "1970-01-01T00:00:01.000000Z"
    assert take_all(other) == []
    assert hub.counters("a")["produced"] == hub.clients("a")[0]["counters"]["produced"] == 2


def test_a_client_that_missed_a_time_without_programs_is_told_of_it() -> None:
    hub = Hub(MIB, 2 * (100 + ITEM_OVERHEAD_BYTES))
    ledger = hub.begin_run("a")
    slow = subscribe(hub)
    for since_s in (1.0, 3.0):
        hub.unwatched("a", since_s, since_s + 1)
        for _ in range(4):
            hub.publish(ledger, 1, b"." * 100)
    told = [(item["where"], item["rows"]) for item in take_all(slow) if isinstance(item, dict)]
    # As one: of what lay between them it saw nothing either.
    assert sorted(told) == [("client", 6), ("unwatched", None)]


def test_rows_gone_are_counted_for_the_probes_asked_for_only() -> None:
    hub = Hub(4 * (100 + ITEM_OVERHEAD_BYTES), MIB)
    a, b = hub.begin_run("a"), hub.begin_run("b")
    hub.publish(a, 3, b"." * 100)
    start = hub.recent(None)
    place, before = start.next_row, start.rows_before(start.next_row)
    for _ in range(6):
        hub.publish(a, 1, b"." * 100)
        hub.publish(b, 10, b"." * 100)
    only = {
        probe: hub.recent(frozenset({probe}), after_row=place, rows_before=before).missed
        for probe in ("a", "b")
    }
    assert only == {"a": 4, "b": 40}
    assert hub.recent(None, after_row=place, rows_before=before).missed == 44
    hub.begin_run("a")  # another run changes nothing
    assert hub.recent(frozenset({"a"}), after_row=place, rows_before=before).missed == 4


def state(number: int) -> dict[str, Any]:
    return {"type": "state", "number": number}


def test_changes_of_state_come_in_their_place_and_none_is_left_out() -> None:
    hub = Hub(MIB, MIB)
    a = hub.begin_run("a")
    hub.announce("state:a", state(0), probe="a")
    hub.announce("state:b", state(100), probe="b")
    client = hub.subscribe(
        kind="test", peer="-", probes=frozenset({"a"}), recent=True, states_in_order=True
    )
    hub.announce("state:b", state(101), probe="b")
    hub.publish(a, 1, b"0")
    hub.announce("state:a", state(1), probe="a")
    hub.announce("state:a", state(2), probe="a", is_change=False)
    hub.publish(a, 1, b"1")
    hub.announce("state:a", state(3), probe="a")
    got = [item.data if isinstance(item, Batch) else item["number"] for item in take_all(client)]
    assert got == [0, b"0", 1, b"1", 3]


def test_a_change_of_state_is_not_held_up_by_what_a_client_does_not_read() -> None:
    hub = Hub(MIB, MIB)
    hub.begin_run("a")
    b = hub.begin_run("b")
    client = hub.subscribe(
        kind="test", peer="-", probes=frozenset({"a"}), recent=False, states_in_order=True
    )
    hub.publish(b, 1, b"0")
    hub.announce("state:a", state(1), probe="a")
    assert client.get(0) == [state(1)]


def test_states_of_other_probes_are_not_told() -> None:
    hub = Hub(MIB, MIB)
    client = subscribe(hub, probes=frozenset({"a"}))
    hub.announce("state:b", state(1), probe="b")
    hub.announce("state:a", state(2), probe="a")
    assert take_all(client) == [state(2)]


def test_only_the_newest_state_waits() -> None:
    hub = Hub(MIB, MIB)
    client = subscribe(hub)
    for number in range(1000):
        hub.announce("state:a", {"type": "state", "number": number})
    assert take_all(client) == [{"type": "state", "number": 999}]


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


def test_closing_wakes_and_ends_every_client() -> None:
    hub = Hub(MIB, MIB)
    client = subscribe(hub)
    ended = threading.Event()

    def wait() -> None:
        with pytest.raises(HubClosedError):
            client.get(60)
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    hub.close()
    assert ended.wait(10)
    thread.join()
    with pytest.raises(HubClosedError):
        subscribe(hub)


def test_a_closed_subscription_is_forgotten() -> None:
    hub = Hub(MIB, MIB)
    hub.begin_run("a")
    with subscribe(hub):
        assert len(hub.clients("a")) == 1
    assert hub.clients("a") == []


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
    """Whatever happens in whatever order, each client's books and the probe's add up."""
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
