"""A filter set in the kernel lets through exactly what it should, and nothing else is counted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.calls import EXIT_MODES, Call, Workload, seen_by
from tests.support.recording import (
    Recording,
    check_nothing_lost,
    check_rows,
    flood_names,
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
    """These parts set to what the workload's own process is; all others named as unset."""
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


def test_every_combination_lets_through_exactly_its_calls(
    service: Service, modes: tuple[str, ...], matrix: Workload
) -> None:
    """Each set on the running probes, one after the other, by PATCH."""
    for mode in modes:
        service.start(mode)
    programs = service.programs()
    assert programs
    for parts in COMBINATIONS:
        filters = {mode: filter_of(matrix, parts, mode) for mode in modes}
        for mode in modes:
            service.change(mode, **filters[mode])
        recording = Recording(service, modes)
        before = service.probes()
        sentinel = f"sentinel-{next(_sentinels)}"
        base = matrix.begin("matrix", sentinel=sentinel)
        calls = matrix.calls()
        # The last call passes every filter, and its row comes after all others.
        recording.wait_for_name(f"{base}/{sentinel}")
        after = service.probes()
        for mode, rows in recording.by_probe().items():
            expected = passing(calls, filters[mode])
            assert 0 < len(expected) <= len(calls)
            check_rows(rows, expected, mode)
            pids = {call.pid for call in calls} - {call.pid for call in expected}
            assert not [row for row in rows if row["pid"] in pids]
            check_nothing_lost(after[mode])
            if parts - {"only_failures"}:
                # Counted in the kernel, before anything is copied: nothing was let through
                # to be left out later.
                produced = [probes[mode]["counters"]["produced"] for probes in (before, after)]
                assert produced[1] - produced[0] == len(seen_by(mode, expected))
    assert service.programs() == programs


def test_filter_given_at_the_start(service: Service, mode: str, matrix: Workload) -> None:
    parts = {"pid", "uid", "comm"}
    wanted = filter_of(matrix, parts, mode)
    started = service.start(
        mode, filter={name: value for name, value in wanted.items() if value is not None}
    )
    assert started["filter"] == {**wanted, "only_failures": False}
    recording = Recording(service, [mode])
    base = matrix.begin("matrix", sentinel="at-start")
    calls = matrix.calls()
    recording.wait_for_name(f"{base}/at-start")
    expected = passing(calls, wanted)
    check_rows(recording.by_probe()[mode], expected, mode)
    stopped = service.stop(mode)
    check_nothing_lost(stopped)
    assert stopped["counters"]["produced"] == len(seen_by(mode, expected))


def test_patch_merges(service: Service, modes: tuple[str, ...]) -> None:
    mode = modes[0]
    none = {"pid": None, "uid": None, "comm": None, "only_failures": False}
    service.start(mode, filter={"uid": 7})
    assert service.change(mode, pid=1)["filter"] == {**none, "uid": 7, "pid": 1}
    assert service.change(mode, comm="x", uid=None)["filter"] == {**none, "pid": 1, "comm": "x"}
    cleared = service.expect(200, "PATCH", f"/probes/{mode}", {"filter": None})
    assert cleared["filter"] == none
    assert service.probe(mode)["filter"] == none
    # The same start as the one that runs now is the one without a filter.
    service.expect(200, "POST", f"/probes/{mode}")


def test_changing_the_filter_loses_nothing(service: Service, modes: tuple[str, ...]) -> None:
    """While a flood runs, the filter changes to and fro between two that both let it through."""
    with Workload(uid=UID, comm=COMM) as flood:
        for mode in modes:
            service.start(mode, filter={"pid": flood.pid})
        programs = service.programs()
        assert programs
        recording = Recording(service, modes)
        base = flood.begin("flood", count=10**9, name_bytes=50, threads=1, pause_every=20)
        recording.wait_for_name(flood_names(base, 0, 1, 50)[0])
        for _ in range(10):
            for mode in modes:
                service.change(mode, uid=UID)
                service.change(mode, uid=None)
        ((_, made),) = flood.end_flood().items()
        assert service.programs() == programs
        names = flood_names(base, 0, made, 50)
        recording.wait_for_name(names[-1])
        for mode, rows in recording.by_probe().items():
            assert [row["filename"] for row in rows] == names, mode
            stopped = service.stop(mode)
            check_nothing_lost(stopped)
            assert stopped["counters"]["produced"] == made
        assert made > 20


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_only_failures_needs_a_return_value(service: Service, mode: str, method: str) -> None:
    wish = {"filter": {"only_failures": True}}
    if method == "PATCH":
        service.start(mode)
    if mode in EXIT_MODES:
        assert service.request(method, f"/probes/{mode}", wish).status in {200, 201}
        assert service.probe(mode)["filter"]["only_failures"] is True
    else:
        assert service.expect(422, method, f"/probes/{mode}", wish)["code"] == "not_at_entry"
        state = "running" if method == "PATCH" else "stopped"
        assert service.probe(mode)["state"] == state
        assert service.probe(mode)["filter"]["only_failures"] is False
