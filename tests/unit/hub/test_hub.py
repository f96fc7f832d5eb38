# SPDX-License-Identifier: Apache-2.0
"""Losses before the hub are logged at their place, and counted."""

from __future__ import annotations

from app.hub import Batch, Hub
from tests.support.hub_clients import subscribe, take_all

MIB = 1 << 20


def test_a_loss_before_the_hub_is_logged_at_its_place() -> None:
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


def test_an_unwatched_time_has_no_number_of_rows_and_is_in_no_counter() -> None:
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
