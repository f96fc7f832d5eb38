"""The events of running probes from one moment to another, complete by construction."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tests.support.batches import Row, time_ns
from tests.support.calls import Call, expected_row, seen_by, text
from tests.support.client import Client
from tests.support.waiting import wait_until

# A row's time is the kernel's monotonic stamp plus the wall clock's distance from it.
TIME_TOLERANCE_NS = 1_000_000

Probe = dict[str, Any]

_marks = itertools.count()


def mark() -> str:
    """Delete a file that is not there, once, from this very process; its name, never used again."""
    name = f"/run/pd-mark-{os.getpid()}-{next(_marks)}"
    try:
        os.unlink(name)  # noqa: PTH108  exactly one call
    except FileNotFoundError:
        return name
    raise AssertionError(f"{name} was there")


class Recording:
    """Everything that probes show from the making of this object until `rows` is called."""

    def __init__(self, client: Client, probes: Iterable[str]) -> None:
        self._client = client
        self._probes = tuple(probes)
        self._cursor = client.cursor()
        self._rows: list[Row] = []
        self._shown: set[tuple[str, str | None]] = set()

    def rows(self) -> dict[str, list[Row]]:
        """The rows of each probe. The probes must run, without filter.

        Everything done before this call is in it: two marks are made, the second after the first
        was seen. A record that was complete before the first mark is drained no later than
        with the second, however the probe's buffers are read in turn.
        """
        for _ in range(2):
            self.wait_for_name(mark())
        return self.by_probe()

    def wait_for_name(self, name: str) -> None:
        """Until each probe has shown a row with this name, before or from now on."""

        def shown() -> bool:
            fresh, self._cursor = self._client.events_after(self._cursor)
            self._rows += fresh
            self._shown.update((row["probe"], row["filename"]) for row in fresh)
            return all((probe, name) in self._shown for probe in self._probes)

        wait_until(shown, f"{name} in each of {self._probes}")

    def by_probe(self) -> dict[str, list[Row]]:
        """What was fetched so far."""
        found: dict[str, list[Row]] = {probe: [] for probe in self._probes}
        for row in self._rows:
            found[row["probe"]].append(row)
        return found


def names_since(client: Client, cursor: str, mode: str) -> list[str | None]:
    """The names of the probe's rows after the cursor."""
    return [row["filename"] for row in client.events_after(cursor)[0] if row["probe"] == mode]


def wait_until_shown(client: Client, cursor: str, probes: Iterable[str], name: str) -> None:
    """Until each of the probes shows this name after the cursor."""
    wanted = {(probe, name) for probe in probes}
    wait_until(
        lambda: wanted <= {(r["probe"], r["filename"]) for r in client.events_after(cursor)[0]},
        f"{name} in each of {wanted}",
    )


def rows_of(calls: Iterable[Call], rows: Iterable[Row]) -> list[Row]:
    """The rows of the processes that made the calls."""
    pids = {call.pid for call in calls}
    return [row for row in rows if row["pid"] in pids]


def check_rows(rows: Iterable[Row], calls: Iterable[Call], mode: str) -> None:
    """Each call that the mode sees has exactly one row, right in every column, and no other is.

    Calls and rows are matched by thread and order. `rows` are all those of the recording.
    """
    calls = list(calls)
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows_of(calls, rows):
        assert row["mode"] == mode
        found[row["tid"]].append(row)
    wanted: dict[int, list[Call]] = defaultdict(list)
    for call in seen_by(mode, calls):
        wanted[call.tid].append(call)
    differing = found.keys() ^ wanted.keys()
    assert not differing, f"{mode}: only rows, or only calls, are of these threads"
    for tid, thread_calls in wanted.items():
        thread_rows = found[tid]
        for position, (row, call) in enumerate(zip(thread_rows, thread_calls, strict=False)):
            where = f"{mode}, thread {tid}, call {position}"
            _check_row(row, call, mode, where)
        assert len(thread_rows) == len(thread_calls), f"{mode}, thread {tid}: rows and calls"


def _check_row(row: Row, call: Call, mode: str, where: str) -> None:
    expected = expected_row(call, mode)
    assert {name: row[name] for name in expected} == expected, where
    time = time_ns(row["time"])
    earliest, latest = call.before_ns - TIME_TOLERANCE_NS, call.after_ns + TIME_TOLERANCE_NS
    assert earliest <= time <= latest, where
    if "ret" in expected:
        assert 0 < row["latency_ns"] <= call.after_ns - call.before_ns + TIME_TOLERANCE_NS, where
        assert time + row["latency_ns"] <= latest, where


def check_ledger(counters: dict[str, int]) -> None:
    """What was produced is accounted for, exactly."""
    lost = sum(count for name, count in counters.items() if name.startswith("dropped_"))
    assert counters["produced"] == counters["delivered"] + lost, counters


def check_nothing_lost(probe: Probe, before: Probe | None = None) -> None:
    """No row of this probe was lost anywhere, since it was as in `before` or since its start."""
    check_ledger(probe["counters"])
    lost = {**change("counters", before, probe), **change("drops", before, probe)}
    delivered = lost.pop("delivered")
    assert lost.pop("produced") == delivered
    assert not any(lost.values()), lost


def change(member: str, before: Probe | None, after: Probe) -> dict[str, int]:
    """By how much the numbers in this member of a probe grew."""
    earlier = before[member] if before else {}
    return {name: count - earlier.get(name, 0) for name, count in after[member].items()}


def flood_names(base: object, number: int, count: int, name_bytes: int) -> list[str]:
    """The names that thread `number` of a flood used, in order; see `workload.run_flood`."""
    names = (f"{base}/{number}-{step}-".encode() for step in range(count))
    return [text(name.ljust(name_bytes, b"f")) for name in names]
