# SPDX-License-Identifier: Apache-2.0
"""Tables of the results, part by part. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks import page, tables
from benchmarks.comparison import UNTRACED
from benchmarks.footprint import Footprint
from benchmarks.found import Found
from benchmarks.goals import MIB, goal_table, goals
from benchmarks.guest_figures import GuestFigures
from benchmarks.processes import Memory
from benchmarks.tables import number, shown, table


def report(found: Found) -> Iterator[str]:
    """Yield the paragraphs of the report; each part has a heading."""
    yield ", ".join(f"{name}: {value}" for name, value in found.machine.items())
    for mode, by_tracer in found.compare.items():
        yield f"### The loop, {mode}\n\n{tables.comparison(by_tracer)}"
    for title, by_tracer in found.traced.items():
        yield f"### The loop, {title}\n\n{tables.comparison(by_tracer)}"
    for mode, programs in found.run_time.items():
        rows = [
            [name, number(it.ns_per_call), number(it.ns_per_run), number(it.runs / it.calls)]
            for name, it in programs.items()
        ]
        head = ["", "ns a call", "ns a run", "runs a call"]
        yield f"### Inside the BPF programs, {mode}\n\n{table(head, rows)}"
    if found.start:
        rows = [[name, shown(it)] for name, it in found.start.items()]
        yield "### Start\n\n" + table(["", "ms until attached"], rows)
    if found.answers:
        rows = [[name, shown(it)] for name, it in found.answers.items()]
        yield "### Starts of any function, and the index\n\n" + table(["", "ms"], rows)
    if found.footprint:
        yield "### Memory, MiB\n\n" + memory_table(found.footprint)
    if found.idle:
        rows = [[role, number(percent)] for role, percent in found.idle.items()]
        yield "### An idle probe\n\n" + table(["", "% of a core"], rows)
    if found.delays:
        rows = [
            [name, f"{it.calls:,}", *map(number, (it.p50, it.p99, it.longest))]
            for name, it in found.delays.items()
        ]
        head = ["", "calls", "p50 ms", "p99 ms", "longest ms"]
        yield "### From call to websocket frame\n\n" + table(head, rows)
    if found.scale:
        yield "### Scale\n\n" + scale_table(found)
    if found.page:
        rows = [list(line) for line in page.lines(found.page)]
        yield "### The page\n\n" + table(["", "measured"], rows)
    yield from in_machine(found)
    if listed := goals(found):
        yield "### Goals\n\n" + goal_table(listed)


def in_machine(found: Found) -> Iterator[str]:
    """Yield the tables of what was measured in instructions."""
    if found.programs:
        rows = [[name, f"{added:,.0f}"] for name, added in found.programs.items()]
        yield "### Programs alone\n\n" + table(["", "instructions added to a call"], rows)
    if found.vm:
        yield from guest_tables(found.vm)


def memory_table(found: Footprint) -> str:
    """Return a table of memory by process and moment."""
    rows = []
    moments: Mapping[str, Mapping[str, Memory]] = {
        "before": found.before,
        "after the loop": found.loaded,
        "steady": found.steady,
        "after stop": found.after,
        "other tracers": found.others,
    }
    for moment, by_role in moments.items():
        for role, it in sorted(by_role.items()):
            sizes = (it.resident, it.private, it.proportional, it.peak)
            rows.append([f"{moment}: {role}", *(number(size / MIB) for size in sizes)])
    return table(["", "resident", "private", "proportional", "peak resident"], rows)


def scale_table(found: Found) -> str:
    """Return a table with one row per point."""
    rows = [
        [
            f"{point.axis}: {point.value:,}",
            *(shown(it.slowdown), shown(it.cpu_slowdown), shown(it.call_us), shown(it.user_us)),
            *(shown(it.client_us), shown(it.lost), shown(it.row_bytes)),
        ]
        for point, it in found.scale
    ]
    head = ["", "x untraced", "x its CPU", "server µs a call", "in user mode"]
    head += ["clients µs a call", "lost %", "bytes a row, each client"]
    return table(head, rows)


def guest_tables(found: GuestFigures) -> Iterator[str]:
    """Yield tables of instructions per call, mode by mode."""
    for mode, costs in found.costs.items():
        rows = []
        for name, it in costs.items():
            added = "" if name == UNTRACED else number(found.added(mode, name))
            rest = (it.programs, it.reader, it.elapsed, it.rows, it.lost)
            rows.append([name, number(it.loop), added, *map(number, rest)])
        head = ["instructions a call", "loop's thread", "added", "in programs", "reader"]
        head += ["all until the end", "rows %", "lost %"]
        yield f"### Linux {found.release}, {mode}, {found.calls:,} calls\n\n{table(head, rows)}"
    if found.together:
        rows = [
            [
                f"{names.count(' ') + 1}: {names}",
                *map(number, (it.loop, it.reader, it.rows, it.lost)),
            ]
            for names, it in found.together.items()
        ]
        head = ["instructions a call", "loop's thread", "reader", "rows %", "lost %"]
        yield f"### Linux {found.release}, several probes at once\n\n{table(head, rows)}"
    for what, why in found.failed.items():
        yield f"{what} did not run: {why}"
