# SPDX-License-Identifier: Apache-2.0
"""A client is given what it subscribed to, in order, until it or the hub closes."""

from __future__ import annotations

import threading

import pytest

from app.hub import Hub, HubClosedError
from tests.support.hub_clients import rows_of, subscribe, take_all

MIB = 1 << 20


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
