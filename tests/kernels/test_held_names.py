"""Names overwritten, and unmapped, by their caller while the kernel is in the midst of the call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.batches import Row
from tests.support.calls import EXIT_MODES, HeldNames, hold_names
from tests.support.fixtures import skip
from tests.support.recording import Recording, change, check_ledger
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


def test_the_name_that_was_passed_is_shown(tracing: Service, modes: tuple[str, ...]) -> None:
    recording = Recording(tracing, modes)
    held = hold_names([10, 60, 250, 4000], prefix="held-")
    for mode, rows in recording.rows().items():
        shown = rows_by_thread(held, rows)
        assert {tid: row["filename"] for tid, row in shown.items()} == held.names, mode
        if mode in EXIT_MODES:
            assert {row["errno"] for row in shown.values()} == {"ENOENT"}


def test_more_calls_at_once_than_can_be_remembered(
    tracing: Service, modes: tuple[str, ...]
) -> None:
    """What a mode has no room to remember until the return is counted as lost; the rest is right.

    Kretprobes in particular follow only some tens of calls at once. The books are complete
    when the probe is stopped: until then, a return may still come.
    """
    before = tracing.probes()
    recording = Recording(tracing, modes)
    held = hold_names([4000] * 280 + [250] * 20 + [60] * 20, prefix="many-")
    rows = recording.rows()
    for mode in modes:
        shown = rows_by_thread(held, rows[mode])
        assert shown.keys() <= held.names.keys()
        assert all(row["filename"] == held.names[tid] for tid, row in shown.items()), mode
        stopped = tracing.stop(mode)
        check_ledger(stopped["counters"])
        assert stopped["counters"]["dropped_kernel"] == sum(stopped["drops"].values())
        lost = change("counters", before[mode], stopped)["dropped_kernel"]
        assert lost == len(held.names) - len(shown), (mode, stopped["drops"])
        assert lost == 0 or mode in EXIT_MODES
