# SPDX-License-Identifier: Apache-2.0
"""A filter set in the kernel lets through exactly what it should, and nothing else is counted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.calls import EXIT_MODES, Call, Workload, seen_by
from tests.support.recording import (
    Recording,
    change,
    check_nothing_lost,
    check_rows,
    flood_names,
    skipped_calls,
)
from tests.support.service import Service

# A real user id that nothing else on the machine has, and a name that nothing else has: what
# they let through comes from the workload only, so that counters can be compared exactly.
UID = 54321
COMM = "pd-matrix"

PARTS = ("pid", "uid", "comm", "only_failures")
COMBINATIONS = [
    set(parts) for size in range(len(PARTS) + 1) for parts in itertools.combinations(PARTS, size)
]

_sentinels = itertools.count()


@pytest.fixture
def matrix() -> Iterator[Workload]:
    with Workload(uid=UID, comm=COMM) as workload:
        yield workload


def filter_of(workload: Workload, parts: set[str], mode: str) -> dict[str, Any]:
    """Return a filter with these parts set to the workload's own process, the others unset."""
    values = {"pid": workload.pid, "uid": UID, "comm": COMM, "only_failures": True}
    if mode not in EXIT_MODES:
        parts = parts - {"only_failures"}
    return {name: value if name in parts else None for name, value in values.items()}


def passing(calls: list[Call], wanted: dict[str, Any]) -> list[Call]:
    """The calls that the filter lets through."""
    return [
        call
        for call in calls
        if wanted["pid"] in (None, call.pid)
        and wanted["uid"] in (None, call.uid)
        and (wanted["comm"] is None or wanted["comm"].encode() == call.comm)
        and (not wanted["only_failures"] or call.ret < 0)
    ]


@pytest.mark.suites("bookworm")
def test_every_combination_lets_through_exactly_its_calls(
    tracing: Service, modes: tuple[str, ...], matrix: Workload
) -> None:
    """Each set on the running probes, one after the other."""
    programs = tracing.programs()
    assert programs
    for parts in COMBINATIONS:
        filters = {mode: filter_of(matrix, parts, mode) for mode in modes}
        for mode in modes:
            tracing.change(mode, **filters[mode])
        recording = Recording(tracing, modes, filtered=True)
        before = tracing.accounts(modes)
        sentinel = f"sentinel-{next(_sentinels)}"
        base = matrix.begin("matrix", sentinel=sentinel)
        calls = matrix.calls()
        # The last call passes every filter, and its row comes after all others.
        recording.wait_for_name(f"{base}/{sentinel}")
        after = tracing.accounts(modes)
        shown = recording.by_probe()
        wanted = {mode: passing(calls, filters[mode]) for mode in modes}
        check_rows(shown, wanted, before, after)
        for mode, expected in wanted.items():
            assert 0 < len(expected) <= len(calls)
            pids = {call.pid for call in calls} - {call.pid for call in expected}
            assert not [row for row in shown[mode] if row["pid"] in pids]
            check_nothing_lost(after[mode], before[mode])
            if parts - {"only_failures"}:
                # Counted in the kernel, before anything is copied: nothing was let through
                # to be left out later.
                delivered = change("counters", before[mode], after[mode])["delivered"]
                most = len(seen_by(mode, expected))
                assert most - skipped_calls(before[mode], after[mode]) <= delivered <= most
    assert tracing.programs() == programs


def test_patch_merges(tracing: Service, modes: tuple[str, ...]) -> None:
    mode = modes[0]
    none = {"pid": None, "uid": None, "comm": None, "process": None, "only_failures": False}
    assert tracing.change(mode, uid=7)["filter"] == {**none, "uid": 7}
    assert tracing.change(mode, pid=1)["filter"] == {**none, "uid": 7, "pid": 1}
    assert tracing.change(mode, comm="x", uid=None)["filter"] == {**none, "pid": 1, "comm": "x"}
    cleared = tracing.expect(200, "PATCH", f"/probes/{mode}", {"filter": None})
    assert cleared["filter"] == none
    assert tracing.probe(mode)["filter"] == none
    # What runs now is what a start without a body asks for.
    tracing.expect(200, "POST", f"/probes/{mode}")


@pytest.mark.suites("trixie")
def test_changing_the_filter_loses_nothing(tracing: Service, modes: tuple[str, ...]) -> None:
    """During a flood, switch back and forth between two filters that both let it through.

    With two modes, and a slow flood: all rows of it go through JSON, under emulation.
    """
    modes = modes[:2]
    with Workload(uid=UID, comm=COMM) as flood:
        for mode in modes:
            tracing.change(mode, pid=flood.pid)
        programs = tracing.programs()
        before = tracing.accounts(modes)
        recording = Recording(tracing, modes, filtered=True)
        base = flood.begin("flood", count=10**9, name_bytes=50, threads=1, pause_every=1)
        recording.wait_for_name(flood_names(base, 0, 1, 50)[0])
        for _ in range(5):
            for mode in modes:
                tracing.change(mode, uid=UID)
                tracing.change(mode, uid=None)
        ((_, made),) = flood.end_flood().items()
        assert tracing.programs() == programs
        names = flood_names(base, 0, made, 50)
        recording.wait_for_name(names[-1])
        after = tracing.accounts(modes)
    assert made > 20
    for mode, rows in recording.by_probe().items():
        shown = [row["filename"] for row in rows]
        skipped = skipped_calls(before[mode], after[mode])
        assert shown == [name for name in names if name in set(shown)], mode
        assert made - skipped <= len(shown) <= made
        check_nothing_lost(after[mode], before[mode])


def test_only_failures_needs_a_return_value(tracing: Service, mode: str) -> None:
    wish = {"filter": {"only_failures": True}}
    if mode in EXIT_MODES:
        assert tracing.expect(200, "PATCH", f"/probes/{mode}", wish)["filter"]["only_failures"]
        return
    for method in ("PATCH", "POST"):
        assert tracing.expect(422, method, f"/probes/{mode}", wish)["code"] == "not_at_entry"
    probe = tracing.probe(mode)
    assert (probe["state"], probe["filter"]["only_failures"]) == ("running", False)
