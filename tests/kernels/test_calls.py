# SPDX-License-Identifier: Apache-2.0
"""Long calls: no entry is evicted while the call lasts, and none leaves anything behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.batches import Row
from tests.support.calls import EXIT_MODES, Holder, hold_names
from tests.support.fixtures import skip
from tests.support.recording import Recording, change, check_nothing_lost, mark, names_since
from tests.support.service import Service

PASSERS = 17_000  # more than the calls that the programs have room for
LONG_NAMES = 256  # as many long names


@pytest.fixture(autouse=True)
def fuse() -> None:
    if not Path("/dev/fuse").exists():
        skip("FUSE, which holds the calls up, is not in this kernel")


def rows_of(rows: list[Row], pid: int) -> list[str | None]:
    return [row["filename"] for row in rows if row["pid"] == pid]


@pytest.mark.suites("trixie")
def test_threads_that_are_gone_do_not_push_out_a_call(
    tracing: Service, modes: tuple[str, ...]
) -> None:
    exit_modes = tuple(mode for mode in modes if mode in EXIT_MODES)
    recording = Recording(tracing, exit_modes)
    with Holder([10, 4000], prefix="slow-") as holder:
        holder.pass_by(PASSERS)
        held = holder.release()
    for mode, rows in recording.rows().items():
        own = [row for row in rows if row["tid"] in held.names]
        assert {row["tid"]: row["filename"] for row in own} == held.names, mode
        assert len(own) == len(held.names), mode
        assert all(row["latency_ns"] > 0 and row["errno"] == "ENOENT" for row in own)


@pytest.mark.suites("bullseye")
def test_killed_in_their_call_they_leave_no_long_name(
    tracing: Service, modes: tuple[str, ...]
) -> None:
    before = tracing.accounts(modes)
    for number in range(2):
        with Holder([4000] * (LONG_NAMES - 100), f"killed-{number}-", child=True) as holder:
            holder.release()
    recording = Recording(tracing, modes)
    held = hold_names([4000] * (LONG_NAMES - 10), prefix="after-")
    for mode, rows in recording.rows().items():
        assert sorted(rows_of(rows, held.pid)) == sorted(held.names.values()), mode
    after = tracing.accounts(modes)
    for mode in modes:
        assert change("drops", before[mode], after[mode])["stash_full"] == 0
        check_nothing_lost(after[mode], before[mode])


@pytest.mark.suites("trixie-backports")
def test_a_call_that_entered_before_a_change_passes_the_new_filter_too(
    tracing: Service, modes: tuple[str, ...]
) -> None:
    """A call that returns after the answer to a PATCH is shown only if it passes the new filter."""
    exit_modes = [mode for mode in modes if mode in EXIT_MODES]
    for changes, is_shown in (
        ([{"comm": "nobody"}], False),
        ([{"process": "nobody"}], False),
        ([{"uid": 4_000_000}], False),
        ([{"pid": 1}], False),
        # Twice, so that the slot of the filter in the kernel is the one at entry again.
        ([{"only_failures": True}, {"comm": "nobody", "only_failures": False}], False),
        ([{"only_failures": True}, {"only_failures": False}], True),
        ([{"only_failures": True}], True),  # they fail
    ):
        tracing.accounts(modes)
        cursor = tracing.cursor()
        with Holder([10, 300], prefix="patched-") as holder:
            for mode in exit_modes:
                for change_ in changes:
                    tracing.change(mode, **change_)
            held = holder.release()
        for mode in exit_modes:
            tracing.expect(200, "PATCH", f"/probes/{mode}", {"filter": None})
        recording = Recording(tracing, exit_modes)
        recording.rows()
        last = mark()
        recording.wait_for_name(last)
        for mode in exit_modes:
            shown = set(names_since(tracing, cursor, mode)) & set(held.names.values())
            assert shown == (set(held.names.values()) if is_shown else set()), (mode, changes)
