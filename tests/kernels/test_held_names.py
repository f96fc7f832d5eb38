"""Names overwritten, and unmapped, by their caller while the kernel is in the midst of the call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.batches import Row
from tests.support.calls import EXIT_MODES, HeldNames, hold_names
from tests.support.fixtures import skip
from tests.support.recording import Recording, check_ledger
from tests.support.service import Service


@pytest.fixture(autouse=True)
def fuse() -> None:
    if not Path("/dev/fuse").exists():
        skip("FUSE, which holds the calls up, is not in this kernel")


def rows_by_thread(held: HeldNames, rows: list[Row]) -> dict[int, Row]:
    own = [row for row in rows if row["pid"] == held.pid]
    found = {row["tid"]: row for row in own}
    assert len(found) == len(own), "a call is shown twice"
    return found


def test_the_name_that_was_passed_is_shown(service: Service, modes: tuple[str, ...]) -> None:
    for mode in modes:
        service.start(mode)
    recording = Recording(service, modes)
    held = hold_names(threads=4, name_bytes=60, prefix="held-")
    for mode, rows in recording.rows().items():
        shown = rows_by_thread(held, rows)
        assert {tid: row["filename"] for tid, row in shown.items()} == held.names, mode
        if mode in EXIT_MODES:
            assert {row["errno"] for row in shown.values()} == {"ENOENT"}


@pytest.mark.parametrize("name_bytes", [60, 250, 4000])
def test_more_calls_at_once_than_can_be_remembered(
    service: Service, modes: tuple[str, ...], name_bytes: int
) -> None:
    """What a mode has no room to remember until the return is counted as lost; the rest is right.

    Kretprobes in particular follow only some tens of calls at once.
    """
    threads = 300
    for mode in modes:
        service.start(mode)
    recording = Recording(service, modes)
    held = hold_names(threads=threads, name_bytes=name_bytes, prefix="many-")
    rows = recording.rows()
    for mode in modes:
        shown = rows_by_thread(held, rows[mode])
        assert shown.keys() <= held.names.keys()
        assert all(row["filename"] == held.names[tid] for tid, row in shown.items()), mode
        probe = service.stop(mode)
        counters, drops = probe["counters"], probe["drops"]
        check_ledger(counters)
        assert counters["dropped_kernel"] == sum(drops.values()) == threads - len(shown), mode
        if mode not in EXIT_MODES:
            assert counters["dropped_kernel"] == 0
