# SPDX-License-Identifier: Apache-2.0
"""The log stays in bounds, and tells how many rows it has evicted."""

from __future__ import annotations

from app.hub import ITEM_OVERHEAD_BYTES, Hub

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
