# SPDX-License-Identifier: Apache-2.0
"""The events of running probes from one moment to another, complete by construction."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from tests.support.batches import Row, time_ns
from tests.support.calls import Call, expected_row, seen_by, text
from tests.support.client import Client
from tests.support.waiting import wait_until

# A row's time is the kernel's monotonic stamp plus the wall clock's distance from it.
TIME_TOLERANCE_NS = 1_000_000
# Suites whose kernels do not preempt themselves; see `skipped_calls`.
NEVER_PREEMPTED = {"bullseye", "bookworm", "trixie"}

Probe = dict[str, Any]

_marks = itertools.count()


def mark() -> str:
    """Delete a missing file once from this process and return its name, which is never reused."""
    name = f"/run/pd-mark-{os.getpid()}-{next(_marks)}"
    try:
        os.unlink(name)  # noqa: PTH108  exactly one call
    except FileNotFoundError:
        return name
    raise AssertionError(f"{name} was there")


class Recording:
    """Everything that probes show between the construction of this object and a call of `rows`.

    At both times the probes must be running, without a filter. Where they are `filtered`, no mark
    would be shown: rows of earlier calls may come first, and `rows` cannot be called.
    """

    def __init__(self, client: Client, probes: Iterable[str], *, filtered: bool = False) -> None:
        self._client = client
        self._probes = tuple(probes)
        self._cursor = client.cursor()
        self._rows: list[Row] = []
        self._shown: set[tuple[str, str | None]] = set()
        if not filtered:
            # What an earlier test did may not have been drained yet.
            self._wait_until_drained()
            self._rows.clear()

    def rows(self) -> dict[str, list[Row]]:
        """Return the rows of each probe, of everything done before this call."""
        self._wait_until_drained()
        return self.by_probe()

    def _wait_until_drained(self) -> None:
        """Wait until each record completed before this call has been fetched.

        Two marks are made, the second after the first was seen. A record completed before the
        first mark is drained no later than the second mark, in whatever order the probe's buffers
        are read.
        """
        for _ in range(2):
            self.wait_for_name(mark())

    def wait_for_name(self, name: str) -> None:
        """Wait until each probe has shown a row with this name, now or earlier."""

        def shown() -> bool:
            fresh, self._cursor = self._client.events_after(self._cursor)
            self._rows += fresh
            self._shown.update((row["probe"], row["filename"]) for row in fresh)
            return all((probe, name) in self._shown for probe in self._probes)

        wait_until(shown, f"{name} in each of {self._probes}")

    def by_probe(self) -> dict[str, list[Row]]:
        """Return the rows fetched so far."""
        found: dict[str, list[Row]] = {probe: [] for probe in self._probes}
        for row in self._rows:
            if row["probe"] in found:
                found[row["probe"]].append(row)
        return found


def names_since(client: Client, cursor: str, mode: str) -> list[str | None]:
    """The names of the probe's rows after the cursor."""
    return [row["filename"] for row in client.events_after(cursor)[0] if row["probe"] == mode]


def wait_until_shown(client: Client, cursor: str, probes: Iterable[str], name: str) -> None:
    """Wait until each of the probes has shown this name after the cursor."""
    wanted = {(probe, name) for probe in probes}
    wait_until(
        lambda: wanted <= {(r["probe"], r["filename"]) for r in client.events_after(cursor)[0]},
        f"{name} in each of {wanted}",
    )


def rows_of(calls: Iterable[Call], rows: Iterable[Row]) -> list[Row]:
    """The rows of the processes that made the calls."""
    pids = {call.pid for call in calls}
    return [row for row in rows if row["pid"] in pids]


def check_rows(
    rows: Mapping[str, list[Row]],
    calls: Mapping[str, list[Call]],
    before: Mapping[str, Probe],
    after: Mapping[str, Probe],
) -> None:
    """Check that each call that a mode sees has exactly one row, with every column right, and that
    there is no other row.

    `rows` are all those of the recording, by mode, `calls` what each mode is to show. Calls and
    rows are matched by thread and order. Those may have no row of which the kernel
    says that it did not show them (see `skipped_calls`).
    """
    missing = {
        mode: [call for call, row in match_rows(rows[mode], calls[mode], mode) if row is None]
        for mode in calls
    }
    skipped = {mode: skipped_calls(before[mode], after[mode]) for mode in calls}
    if any(len(missing[mode]) > skipped[mode] for mode in calls):
        said = [
            f"{mode}: {len(gone)} of {len(calls[mode])} calls have no row,"
            f" at {places(gone, calls[mode])}; counted as lost:"
            f" {change('drops', before[mode], after[mode])};"
            f" counters: {change('counters', before[mode], after[mode])}"
            for mode, gone in missing.items()
        ]
        raise AssertionError("\n".join(said))


def places(some: list[Call], calls: list[Call]) -> list[int]:
    """Return the positions of these among the calls."""
    return [calls.index(call) for call in some]


def match_rows(
    rows: Iterable[Row], calls: Iterable[Call], mode: str
) -> list[tuple[Call, Row | None]]:
    """Every call that the mode sees with its row, thread after thread; None when it has none.

    AssertionError when a row is of no call, or of one in another place.
    """
    calls = list(calls)
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows_of(calls, rows):
        assert row["mode"] == mode
        found[row["tid"]].append(row)
    wanted: dict[int, list[Call]] = defaultdict(list)
    for call in seen_by(mode, calls):
        wanted[call.tid].append(call)
    assert found.keys() <= wanted.keys(), f"{mode}: rows of threads that made no call"
    matched: list[tuple[Call, Row | None]] = []
    for tid in sorted(wanted):
        waiting = found[tid]
        for call in wanted[tid]:
            row = waiting[0] if waiting and _is_row_of(waiting[0], call, mode) else None
            if row is not None:
                del waiting[0]
            matched.append((call, row))
        assert not waiting, (f"{mode}, thread {tid}: no call is this row's", waiting[0])
    return matched


def _is_row_of(row: Row, call: Call, mode: str) -> bool:
    expected = expected_row(call, mode)
    if {name: row[name] for name in expected} != expected:
        return False
    time = time_ns(row["time"])
    earliest, latest = call.before_ns - TIME_TOLERANCE_NS, call.after_ns + TIME_TOLERANCE_NS
    if not earliest <= time <= latest:
        return False
    return "ret" not in expected or (
        0 < row["latency_ns"] <= call.after_ns - call.before_ns + TIME_TOLERANCE_NS
        and time + row["latency_ns"] <= latest
    )


def skipped_calls(before: Probe | None, after: Probe) -> int:
    """Calls that the kernel counted as not shown to a program, or whose return it did not show.

    Linux runs no program twice at once on a CPU: when one is preempted by a task that calls the
    same function there, that call is left out. Kernels that preempt the kernel (the newest) do so
    now and then, above all in emulation, where a program takes a hundred times as long and the
    timer does not. Debian 11's to 13's do not: there, none may be left out.
    """
    drops = change("drops", before, after)
    skipped = drops["recursion"] + drops["missed_return"]
    if os.environ.get("PROBEDECK_KERNEL_SUITE") in NEVER_PREEMPTED:
        assert skipped == 0, drops
    return skipped


def check_ledger(counters: dict[str, int]) -> None:
    """Check that every row produced was delivered or counted as dropped, exactly."""
    lost = sum(count for name, count in counters.items() if name.startswith("dropped_"))
    assert counters["produced"] == counters["delivered"] + lost, counters


def check_nothing_lost(probe: Probe, before: Probe | None = None) -> None:
    """Check that no row was lost anywhere since `before`, or since the start.

    Calls that the kernel itself reports as skipped are allowed.
    """
    check_ledger(probe["counters"])
    skipped = skipped_calls(before, probe)
    lost = change("counters", before, probe)
    delivered, produced = lost.pop("delivered"), lost.pop("produced")
    assert produced == delivered + skipped
    assert lost == {"dropped_kernel": skipped, "dropped_pipe": 0, "dropped_client": 0}
    drops = change("drops", before, probe)
    assert sum(drops.values()) == skipped, drops


def change(member: str, before: Probe | None, after: Probe) -> dict[str, int]:
    """Return by how much the numbers in this member of a probe grew."""
    earlier = before[member] if before else {}
    return {name: count - earlier.get(name, 0) for name, count in after[member].items()}


def flood_names(base: object, number: int, count: int, name_bytes: int) -> list[str]:
    """The names that thread `number` of a flood used, in order; see `workload.run_flood`."""
    names = (f"{base}/{number}-{step}-".encode() for step in range(count))
    return [text(name.ljust(name_bytes, b"f")) for name in names]
