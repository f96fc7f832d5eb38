# SPDX-License-Identifier: Apache-2.0
"""The project's performance goals, and whether a run met them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import answers, starts, traced
from benchmarks.comparison import OURS, PRINTK, TEXT
from benchmarks.found import Found
from benchmarks.tables import number, table

MIB = 1 << 20
# Instructions that deletions may add to a call in these modes.
ADDED = {"fentry": 900, "fexit": 1300}


@dataclass(frozen=True)
class Goal:
    """A goal is met when `reached` is not above `limit`; both are in `unit`."""

    what: str
    reached: float
    limit: float
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.reached <= self.limit


def goals(found: Found) -> list[Goal]:
    """Return the goals of the parts that were run."""
    parts: list[Callable[[Found], Iterator[Goal]]] = [
        *(_compared, _traced, _started, _answered, _in_kernel, _memory, _idle, _viewers, _delays)
    ]
    return [goal for part in parts for goal in part(found)]


def _compared(found: Found) -> Iterator[Goal]:
    for mode, by_tracer in found.compare.items():
        us, text = by_tracer[OURS], by_tracer[TEXT]
        yield Goal(f"{mode}: loop, traced by untraced", us.slowdown.median, 1.3, "x")
        yield Goal(f"{mode}: the same, the loop's CPU", us.cpu_slowdown.median, 1.3, "x")
        by_text = us.slowdown.median / text.slowdown.median
        yield Goal(f"{mode}: slow-down by bpftrace's", by_text, 0.2, "x")
        extra = (us.cpu_slowdown.median - 1) / (text.cpu_slowdown.median - 1)
        yield Goal(f"{mode}: CPU added to a call by bpftrace's", extra, 0.2, "x")
        yield Goal(f"{mode}: reader CPU an event", us.reader_us.median, 0.4, "us")
        yield Goal(f"{mode}: bytes a row to a viewer", us.row_bytes.median, 60, "bytes")
        by_text = us.reader_us.median / text.reader_us.median
        yield Goal(f"{mode}: reader CPU by bpftrace's", by_text, 0.1, "x")
        yield Goal(f"{mode}: lost, worst round", max(us.lost.high, us.missing.high), 0, "%")


def _traced(found: Found) -> Iterator[Goal]:
    for title, by_tracer in found.traced.items():
        us, text = by_tracer[OURS], by_tracer[TEXT]
        extra = (us.cpu_slowdown.median - 1) / (text.cpu_slowdown.median - 1)
        yield Goal(f"{title}: CPU added to a call by bpftrace's", extra, 1 / 3, "x")
        by_text = us.reader_us.median / text.reader_us.median
        yield Goal(f"{title}: reader CPU by bpftrace's", by_text, 0.1, "x")
        yield Goal(f"{title}: lost, worst round", max(us.lost.high, us.missing.high), 0, "%")
        yield Goal(f"{title}: bytes a row to a viewer", us.row_bytes.median, 60, "bytes")


def _answered(found: Found) -> Iterator[Goal]:
    for name, limit_ms in answers.LIMITS_MS.items():
        if name in found.answers:
            yield Goal(name, found.answers[name].median, limit_ms, "ms")


def _started(found: Found) -> Iterator[Goal]:
    if found.start:
        us = found.start[starts.OURS].median
        for name in (starts.SAME, starts.ONE):
            yield Goal(f"start by {name}", us / found.start[name].median, 0.9, "x")


def _in_kernel(found: Found) -> Iterator[Goal]:
    if not found.vm:
        return
    for mode in found.vm.costs:
        tracers = found.vm.costs[mode]
        for name in (PRINTK, TEXT):
            if OURS in tracers and name in tracers:
                # The goal is about trampolines; other modes are shown for comparison.
                limit = found.vm.added(mode, name)
                what = f"{mode}: instructions added to a call, {name} below"
                yield Goal(what, found.vm.added(mode, OURS), limit)
        if mode in ADDED and OURS in tracers:
            what = f"{mode}: instructions added to a call"
            yield Goal(what, found.vm.added(mode, OURS), ADDED[mode])
    for one in traced.ALL:
        tracers = found.vm.costs.get(one.title, {})
        if OURS in tracers and TEXT in tracers:
            ratio = found.vm.added(one.title, OURS) / found.vm.added(one.title, TEXT)
            yield Goal(f"{one.title}: instructions added by bpftrace's", ratio, 1 / 3, "x")
            ratio = tracers[OURS].reader / tracers[TEXT].reader
            yield Goal(f"{one.title}: reader's instructions by bpftrace's", ratio, 0.1, "x")


def _memory(found: Found) -> Iterator[Goal]:
    if not (print_ := found.footprint):
        return
    yield Goal("tracer, peak memory", print_.loaded["tracer"].peak / MIB, 120, "MiB")
    yield Goal("tracer, steady", print_.steady["tracer"].resident / MIB, 60, "MiB")
    # Rings are mapped twice in a row (app/tracer/rings.py) and so counted twice above.
    share = print_.steady["tracer"].proportional / MIB
    yield Goal("the same, each page counted once (PSS)", share, 60, "MiB")
    yield Goal("web worker, peak memory", print_.steady["worker"].peak / MIB, 80, "MiB")
    gone = "tracer" not in print_.after
    kept = sum(memory.private for memory in print_.after.values())
    kept -= sum(memory.private for memory in print_.before.values())
    yield Goal(
        "kept after stop, recent events included", kept / MIB if gone else float("inf"), 1.0, "MiB"
    )


def _idle(found: Found) -> Iterator[Goal]:
    if found.idle:
        yield Goal("idle probe, all processes", sum(found.idle.values()), 0.5, "% of a core")
        yield Goal("idle probe, tracer alone", found.idle["tracer"], 0.5, "% of a core")


def _viewers(found: Found) -> Iterator[Goal]:
    by_count = {point.value: it for point, it in found.scale if point.axis == "viewers"}
    if by_count:
        most, one = by_count[max(by_count)], by_count[min(by_count)]
        # The goal leaves out sending, which is CPU time in the kernel: user mode only.
        name = f"{max(by_count)} viewers by {min(by_count)}"
        if one.user_us.median:  # 0 in a short run: the kernel counts it in ticks of 10 ms
            ratio = most.user_us.median / one.user_us.median
            yield Goal(f"server CPU in user mode, {name}", ratio, 2.0, "x")
        ratio = most.call_us.median / one.call_us.median
        yield Goal(f"the same with sending, {name}", ratio, 2.0, "x")


def _delays(found: Found) -> Iterator[Goal]:
    if found.delays:
        yield Goal("call to frame at 10,000/s, p50", found.delays["busy"].p50, 60, "ms")
        yield Goal("call to frame at 10,000/s, p99", found.delays["busy"].p99, 150, "ms")
        yield Goal("call to frame, quiet, longest", found.delays["quiet"].longest, 100, "ms")


def goal_table(listed: list[Goal]) -> str:
    """Return a table of goals, what was reached, and whether each is met."""
    rows = [
        [
            goal.what,
            f"<= {number(goal.limit)} {goal.unit}".strip(),
            f"{number(goal.reached)} {goal.unit}".strip(),
            "yes" if goal.met else "NO",
        ]
        for goal in listed
    ]
    return table(["goal", "wanted", "reached", "met"], rows)
