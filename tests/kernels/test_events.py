# SPDX-License-Identifier: Apache-2.0
"""Every call that the workload makes is shown by every mode: once, and right in every column."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import kernel
from tests.support.batches import Row, time_ns
from tests.support.calls import EXIT_MODES, Call, Workload
from tests.support.client import Websocket
from tests.support.fixtures import trace_all
from tests.support.recording import (
    TIME_TOLERANCE_NS,
    Recording,
    change,
    check_ledger,
    check_nothing_lost,
    check_rows,
    mark,
    match_rows,
    rows_of,
    skipped_calls,
)
from tests.support.service import Service
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Seen:
    """What the workload did, and what each way of reading events showed of it."""

    calls: list[Call]
    rows: dict[str, list[Row]]
    ndjson: list[Row]
    websocket: Websocket
    before: dict[str, Any]
    after: dict[str, Any]


def record(
    service: Service, modes: tuple[str, ...], run: str, times: int = 1, **parameters: int
) -> Seen:
    """Run a workload with all modes tracing at once and clients of both streams.

    Run it this many times, each after every client has received all of the one before.
    """
    trace_all(service, modes)
    before = service.accounts(modes)
    ndjson, websocket = service.ndjson("?recent=0"), service.websocket("?recent=0")
    with ndjson, websocket, Workload() as workload:
        recording = Recording(service, modes)
        calls = []
        for _ in range(times):
            calls += workload.run(run, **parameters)
            seen = mark()
            recording.wait_for_name(seen)
            for mode in modes:
                ndjson.wait_for_name(mode, seen)
                websocket.wait_for_name(mode, seen)
        rows = recording.rows()
        last = mark()
        for mode in modes:
            ndjson.wait_for_name(mode, last)
            websocket.wait_for_name(mode, last)
        after = service.accounts(modes)
        for mode in modes:
            told = skipped_calls(before[mode], after[mode])
            wait_until(
                lambda m=mode, n=told: websocket.gaps(m) >= n, f"the client to be told of {mode}"
            )
    return Seen(calls, rows, ndjson.rows, websocket, before, after)


@pytest.fixture(scope="module")
def cases(session_service: Service, modes: tuple[str, ...]) -> Seen:
    """Every way of naming a file, of failing and of calling."""
    return record(session_service, modes, "cases")


@pytest.fixture(scope="module")
def many(session_service: Service, modes: tuple[str, ...]) -> Seen:
    """Threads that use up the kernel's name buffers as fast as they can.

    No more at once than a tracer's rings hold, as it may have to wait for a processor.
    """
    times = 1 if kernel.in_test_machine() else 6
    return record(session_service, modes, "plain", times, rounds=125, threads=4)


@pytest.fixture(params=["cases", "many"])
def seen(request: pytest.FixtureRequest) -> Seen:
    recorded: Seen = request.getfixturevalue(request.param)
    return recorded


def test_each_call_is_shown_once_and_right(seen: Seen, mode: str) -> None:
    check_rows(seen.rows, {mode: seen.calls}, seen.before, seen.after)


def test_modes_agree(seen: Seen, modes: tuple[str, ...]) -> None:
    """Call by call, matched by thread and order, in every column that two modes both have."""
    rows = {mode: in_function(seen, mode) for mode in modes}
    reference = rows[modes[0]]
    assert any(reference)
    compared = 0
    for mode in modes[1:]:
        assert len(rows[mode]) == len(reference)
        for row, other in zip(rows[mode], reference, strict=True):
            if row is None or other is None:
                continue  # counted by the kernel as left out: see the test above
            shared = (row.keys() & other.keys()) - {"probe", "mode", "time", "latency_ns"}
            differing = {name for name in shared if row[name] != other[name]}
            if None in (row["filename"], other["filename"]):
                # Only the tracepoint sees a name that the kernel itself refused to take.
                differing.discard("filename")
            assert not differing, (row, other)
            compared += 1
    assert compared >= 0.9 * len(reference) * (len(modes) - 1)


def in_function(seen: Seen, mode: str) -> list[Row | None]:
    """The rows of the calls that reach the traced function, thread after thread."""
    return [row for call, row in match_rows(seen.rows[mode], seen.calls, mode) if call.in_function]


def test_rows_are_in_order_of_time(seen: Seen, mode: str) -> None:
    """In a thread, calls follow each other: so do their rows, and a call ends before the next."""
    ends: dict[int, int] = defaultdict(int)
    for row in rows_of(seen.calls, seen.rows[mode]):
        assert time_ns(row["time"]) >= ends[row["tid"]] - TIME_TOLERANCE_NS
        ends[row["tid"]] = time_ns(row["time"]) + row.get("latency_ns", 0)


def test_stream_carries_the_same_events(seen: Seen, mode: str) -> None:
    assert own_rows(seen, mode, seen.ndjson) == own_rows(seen, mode, seen.rows[mode])


def test_websocket_carries_the_same_events(seen: Seen, mode: str) -> None:
    assert own_rows(seen, mode, seen.websocket.rows) == own_rows(seen, mode, seen.rows[mode])


def own_rows(seen: Seen, mode: str, rows: list[Row]) -> list[Row]:
    return rows_of(seen.calls, [row for row in rows if row["probe"] == mode])


def test_batches_are_numbered_without_a_hole(seen: Seen, mode: str) -> None:
    batches = [batch for batch in seen.websocket.batches if batch.probe == mode]
    first = batches[0].number
    assert [batch.number for batch in batches] == list(range(first, first + len(batches)))
    assert {(batch.mode, batch.run) for batch in batches} == {(mode, batches[0].run)}


def test_columns_are_those_the_probe_lists(seen: Seen, mode: str) -> None:
    columns = seen.after[mode]["columns"]
    listed = {column["name"] for column in columns} | {"probe", "mode"}
    assert {frozenset(row) for row in seen.rows[mode]} == {frozenset(listed)}
    always = {column["name"] for column in columns if not column["nullable"]}
    assert not [row for row in seen.rows[mode] for name in always if row[name] is None]
    assert ("latency_ns" in listed) == (mode in EXIT_MODES)


def test_ledger_is_exact_and_nothing_was_lost(seen: Seen, mode: str) -> None:
    before, after = seen.before[mode], seen.after[mode]
    assert after["state"] == "running"
    check_nothing_lost(after, before)
    skipped = skipped_calls(before, after)
    # At least what the workload did: a probe without a filter sees the whole machine.
    assert change("counters", before, after)["delivered"] >= len(seen.rows[mode])
    # Each row that a client did not get was announced to it as lost.
    assert seen.websocket.gaps(mode) >= skipped
    assert skipped or seen.websocket.gaps(mode) == 0
    for client in after["clients"]:
        check_ledger(client["counters"])
        assert client["counters"]["delivered"] >= len(own_rows(seen, mode, seen.websocket.rows))


def test_names_were_read_before_the_kernel_gave_them_back(
    many: Seen, modes: tuple[str, ...]
) -> None:
    """Each name is used once, so that a row with another call's name would be noticed."""
    for mode in modes:
        names = [row["filename"] for row in rows_of(many.calls, many.rows[mode])]
        skipped = skipped_calls(many.before[mode], many.after[mode])
        assert len(many.calls) - skipped <= len(names) == len(set(names)) <= len(many.calls)


def test_only_the_probes_asked_for(tracing: Service, modes: tuple[str, ...]) -> None:
    """A stream and a page can be limited to one probe of those that run."""
    if len(modes) < 2:
        pytest.skip("only one mode is available")
    wanted, other = modes[:2]
    cursor = tracing.cursor()
    with tracing.ndjson(f"?probe={wanted}&recent=0") as stream:
        name = mark()
        Recording(tracing, modes[:2]).rows()
        stream.wait_for_name(wanted, mark())
        assert {row["probe"] for row in stream.rows} == {wanted}
        assert [row["filename"] for row in stream.rows].count(name) == 1
    page = tracing.expect(200, "GET", f"/events?probe={other}&after={cursor}")
    assert {row["probe"] for row in page["events"]} == {other}
    assert [row["filename"] for row in page["events"]].count(name) == 1
