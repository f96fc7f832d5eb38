# SPDX-License-Identifier: Apache-2.0
"""The log stays in bounds, and tells how many rows it has evicted."""

from __future__ import annotations

from app.hub import ITEM_OVERHEAD_BYTES, Hub
from app.hub.log import MOST_COUNTED

MIB = 1 << 20


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


def test_evicted_rows_are_counted_for_the_probes_asked_for_only() -> None:
    hub = Hub(4 * (100 + ITEM_OVERHEAD_BYTES), MIB)
    a, b = hub.begin_run("a"), hub.begin_run("b")
    hub.publish(a, 3, b"." * 100)
    start = hub.recent(None)
    position, before = start.next_row, start.rows_before(start.next_row)
    for _ in range(6):
        hub.publish(a, 1, b"." * 100)
        hub.publish(b, 10, b"." * 100)
    only = {
        probe: hub.recent(frozenset({probe}), after_row=position, rows_before=before).missed
        for probe in ("a", "b")
    }
    assert only == {"a": 4, "b": 40}
    assert hub.recent(None, after_row=position, rows_before=before).missed == 44
    hub.begin_run("a")  # rows are counted over all runs
    assert hub.recent(frozenset({"a"}), after_row=position, rows_before=before).missed == 4


def forget(hub: Hub, probe: str) -> None:
    hub.forget(f"state:{probe}", {"type": "forgotten", "probe": probe}, probe=probe)


def test_a_forgotten_probe_is_known_as_long_as_the_log_has_rows_of_it() -> None:
    hub = Hub(4 * (100 + ITEM_OVERHEAD_BYTES), MIB)
    start = hub.recent(None)
    position, before = start.next_row, start.rows_before(start.next_row)
    hub.publish(hub.begin_run("gone"), 3, b"." * 100)
    forget(hub, "gone")
    a = hub.begin_run("a")
    for count in range(3):
        hub.publish(a, 1, b"." * 100)
        assert hub.holds("gone"), count
    assert hub.recent(None).rows_before(6) == {"gone": 3, "a": 3, "*": 6}
    hub.publish(a, 1, b"." * 100)
    assert not hub.holds("gone")
    held = hub.recent(None, after_row=position, rows_before=before)
    assert (held.missed, len(held.batches)) == (3, 4)  # it is missed all the same
    assert held.rows_before(7) == {"a": 4, "*": 7}


def test_the_rows_of_a_name_that_is_back_are_counted_from_then_on() -> None:
    hub = Hub(2 * (100 + ITEM_OVERHEAD_BYTES), MIB)
    hub.publish(hub.begin_run("a"), 5, b"." * 100)
    old = hub.recent(None)
    position, before = old.next_row, old.rows_before(old.next_row)
    assert before == {"a": 5, "*": 5}
    forget(hub, "a")
    other = hub.begin_run("other")
    for _ in range(2):
        hub.publish(other, 1, b"." * 100)
    again = hub.begin_run("a")
    for _ in range(4):
        hub.publish(again, 1, b"." * 100)
    held = hub.recent(frozenset({"a"}), after_row=position, rows_before=before)
    assert (held.missed, len(held.batches)) == (2, 2)


def test_a_name_that_is_back_in_time_keeps_its_counts() -> None:
    hub = Hub(MIB, MIB)
    hub.publish(hub.begin_run("a"), 5, b".")
    forget(hub, "a")
    hub.publish(hub.begin_run("a"), 2, b".")
    assert hub.recent(None).rows_before(7) == {"a": 7, "*": 7}
    forget(hub, "never-ran")
    assert not hub.holds("never-ran")


def test_a_position_counts_few_of_many_forgotten_probes() -> None:
    hub = Hub(MIB, MIB)
    hub.publish(hub.begin_run("kept"), 1, b".")
    for number in range(200):
        hub.publish(hub.begin_run(f"p{number}"), 1, b".")
        forget(hub, f"p{number}")
    before = hub.recent(None).rows_before(201)
    assert len(before) == MOST_COUNTED
    assert {"kept", "*", "p199"} <= before.keys()
    assert "p0" not in before
