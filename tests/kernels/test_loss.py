# SPDX-License-Identifier: Apache-2.0
"""What the buffers cannot hold is lost, and counted where it is lost."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.batches import Row
from tests.support.calls import EXIT_MODES, HeldNames, Workload, hold_names
from tests.support.fixtures import skip
from tests.support.recording import (
    Recording,
    change,
    check_ledger,
    flood_names,
    mark,
    names_since,
    skipped_calls,
    wait_until_shown,
)
from tests.support.service import Service
from tests.support.waiting import wait_until

# Longer than the 1,024 bytes of the large records: these go through the ring of whole paths,
# which holds the fewest.
NAME_BYTES = 1100
FLOOD_PER_THREAD = 1500


def wait_for_produced(service: Service, mode: str, count: int) -> None:
    """Wait until the probe has accounted for this many rows."""
    wait_until(
        lambda: service.probe(mode)["counters"]["produced"] >= count,
        f"{mode} to account for all calls",
    )


@pytest.mark.suites("bullseye", "trixie-backports")
def test_what_the_rings_cannot_hold_is_counted(tracing: Service, modes: tuple[str, ...]) -> None:
    """Stop the tracers while their rings overflow: the loss is reported to the row."""
    with Workload(comm="pd-flood") as workload:
        for mode in modes:
            tracing.change(mode, pid=workload.pid)
        before = tracing.accounts(modes)
        cursor = tracing.cursor()
        tracers = tracing.tracers()
        assert len(tracers) == len(modes)
        for tracer in tracers:
            os.kill(tracer.pid, signal.SIGSTOP)
        try:
            base = workload.begin("flood", count=FLOOD_PER_THREAD, name_bytes=NAME_BYTES, threads=2)
            made = workload.made()
        finally:
            for tracer in tracers:
                os.kill(tracer.pid, signal.SIGCONT)
        for mode in modes:
            produced = before[mode]["counters"]["produced"] + sum(made.values())
            wait_for_produced(tracing, mode, produced)
    rows: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in tracing.events_after(cursor)[0]:
        rows[row["probe"], row["tid"]].append(row)
    for mode in modes:
        probe = tracing.change(mode)
        counters = change("counters", before[mode], probe)
        drops = change("drops", before[mode], probe)
        check_ledger(counters)
        skipped = skipped_calls(before[mode], probe)
        assert sum(made.values()) == 2 * FLOOD_PER_THREAD
        assert counters["produced"] - skipped <= sum(made.values()) <= counters["produced"]
        assert counters["dropped_kernel"] == sum(drops.values())
        assert drops["ring_full"] > 0
        assert counters["dropped_pipe"] == counters["dropped_client"] == 0
        assert sum(len(rows[mode, tid]) for tid in made) == counters["delivered"] > 0
        # The delivered rows are complete and in order: the first calls, maybe some later ones.
        for number, tid in enumerate(made):
            names = flood_names(base, number, FLOOD_PER_THREAD, NAME_BYTES)
            places = {name: place for place, name in enumerate(names)}
            kept = [places[row["filename"]] for row in rows[mode, tid]]
            assert kept == sorted(set(kept))
            assert skipped or kept[:50] == list(range(50))


@pytest.mark.suites("bookworm", "trixie")
def test_flood_is_accounted_for(tracing: Service, modes: tuple[str, ...]) -> None:
    """At full speed with every mode tracing, every lost row is counted."""
    with Workload(comm="pd-flood") as workload:
        for mode in modes:
            tracing.change(mode, pid=workload.pid)
        before = tracing.accounts(modes)
        workload.begin("flood", count=4 * FLOOD_PER_THREAD, name_bytes=48, threads=2)
        made = sum(workload.made().values())
        for mode in modes:
            produced = before[mode]["counters"]["produced"] + made
            wait_for_produced(tracing, mode, produced)
            probe = tracing.change(mode)
            check_ledger(probe["counters"])
            skipped = skipped_calls(before[mode], probe)
            assert produced <= probe["counters"]["produced"] <= produced + skipped, mode


@pytest.fixture
def fuse() -> None:
    if not Path("/dev/fuse").exists():
        skip("FUSE, which holds the calls up, is not in this kernel")


def rows_by_thread(held: HeldNames, rows: list[Row]) -> dict[int, Row]:
    own = [row for row in rows if row["pid"] == held.pid]
    found = {row["tid"]: row for row in own}
    assert len(found) == len(own), "a call is shown twice"
    return found


@pytest.mark.usefixtures("fuse")
def test_names_overwritten_during_the_call(tracing: Service, modes: tuple[str, ...]) -> None:
    """The name passed at entry is shown, even if the caller overwrites it during the call."""
    recording = Recording(tracing, modes)
    held = hold_names([10, 60, 250, 4000], prefix="held-")
    for mode, rows in recording.rows().items():
        shown = rows_by_thread(held, rows)
        assert {tid: row["filename"] for tid, row in shown.items()} == held.names, mode
        if mode in EXIT_MODES:
            assert {row["errno"] for row in shown.values()} == {"ENOENT"}


@pytest.mark.suites("bullseye", "trixie")
@pytest.mark.usefixtures("fuse")
def test_more_calls_at_once_than_can_be_remembered(
    tracing: Service, modes: tuple[str, ...]
) -> None:
    """What a mode has no room to remember until the return is counted as lost; the rest is right.

    Kretprobes in particular follow only some tens of calls at once. The books are complete
    when a probe is stopped: until then, a return may still come. So all are stopped here, one
    after the other, and each leaves nothing in the kernel and the others as they are.
    """
    before = tracing.accounts(modes)
    recording = Recording(tracing, modes)
    held = hold_names([4000] * 280 + [250] * 20 + [60] * 20, prefix="many-")
    rows = recording.rows()
    for number, mode in enumerate(modes):
        shown = rows_by_thread(held, rows[mode])
        assert shown.keys() <= held.names.keys()
        assert all(row["filename"] == held.names[tid] for tid, row in shown.items()), mode
        cursor = tracing.cursor()
        last = mark()
        stopped = tracing.stop(mode)
        name = mark()
        assert stopped["ended"]["code"] == "requested"
        check_ledger(stopped["counters"])
        assert stopped["counters"]["dropped_kernel"] == sum(stopped["drops"].values())
        lost = change("counters", before[mode], stopped)["dropped_kernel"]
        assert lost == len(held.names) - len(shown), (mode, stopped["drops"])
        assert lost == 0 or mode in EXIT_MODES
        names = names_since(tracing, cursor, mode)
        assert (names.count(last), names.count(name)) == (1, 0)
        wait_until_shown(tracing, cursor, modes[number + 1 :], name)
    tracing.wait_until_gone_from_kernel()
