# SPDX-License-Identifier: Apache-2.0
"""Gaps and states reach a client at their place, and are bounded."""

from __future__ import annotations

from typing import Any

import pytest

from app.hub import ITEM_OVERHEAD_BYTES, Batch, Gap, Hub
from app.hub.items import gap_message
from app.hub.undelivered import MAX_STATE_CHANGES, PendingGaps
from tests.support.hub_clients import rows_of, subscribe, take_all

MIB = 1 << 20
Extent = tuple[int | None, float | None, float | None]  # rows, since_s, until_s


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


def test_a_client_that_missed_an_unwatched_time_is_told_of_it() -> None:
    hub = Hub(MIB, 2 * (100 + ITEM_OVERHEAD_BYTES))
    ledger = hub.begin_run("a")
    slow = subscribe(hub)
    for since_s in (1.0, 3.0):
        hub.unwatched("a", since_s, since_s + 1)
        for _ in range(4):
            hub.publish(ledger, 1, b"." * 100)
    told = [(item["where"], item["rows"]) for item in take_all(slow) if isinstance(item, dict)]
    # One gap for both times: the client saw nothing in between either.
    assert sorted(told) == [("client", 6), ("unwatched", None)]


def state(number: int) -> dict[str, Any]:
    return {"type": "state", "number": number}


def test_state_changes_keep_their_place_and_none_is_left_out() -> None:
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


def test_a_state_change_does_not_wait_for_rows_that_the_client_does_not_read() -> None:
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


def test_only_the_newest_state_is_pending() -> None:
    hub = Hub(MIB, MIB)
    client = subscribe(hub)
    for number in range(1000):
        hub.announce("state:a", {"type": "state", "number": number})
    assert take_all(client) == [{"type": "state", "number": 999}]


def test_of_too_many_state_changes_the_oldest_are_left_out() -> None:
    hub = Hub(MIB, MIB)
    client = hub.subscribe(kind="test", peer="-", probes=None, recent=False, states_in_order=True)
    for number in range(MAX_STATE_CHANGES + 3):
        hub.announce("state:a", state(number), probe="a")
    assert take_all(client) == [state(number) for number in range(3, MAX_STATE_CHANGES + 3)]


@pytest.mark.parametrize(
    ("first", "second", "reported"),
    [
        ((1, 1.0, 2.0), (2, 3.0, 4.0), (3, 1.0, 4.0)),
        ((1, 1.0, None), (2, 3.0, 4.0), (3, 1.0, None)),
        ((1, 1.0, 2.0), (2, None, None), (3, None, None)),
        ((None, 1.0, 2.0), (None, 3.0, 4.0), (None, 1.0, 4.0)),
    ],
)
def test_gaps_of_one_kind_are_reported_as_one(
    first: Extent, second: Extent, reported: Extent
) -> None:
    gaps = PendingGaps()
    for rows, since_s, until_s in (first, second):
        gaps.add(Gap(0, "a", "kernel", rows, 0, since_s, until_s))
    rows, since_s, until_s = reported
    assert gaps
    assert gaps.take() == [gap_message("a", "kernel", rows, since_s, until_s)]
    assert not gaps
    assert gaps.take() == []
