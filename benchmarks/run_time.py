# SPDX-License-Identifier: Apache-2.0
"""Time inside BPF programs as the kernel measures it, in separate rounds: measuring costs time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.linux.bpf import enable_run_time_stats, prog_info, program
from benchmarks.workload import Load, Took, Workload
from tests.support import kernel


@dataclass
class Programs:
    """Run time, in ns, and number of runs of all BPF programs during a loop."""

    run_time_ns: int = 0
    runs: int = 0
    calls: int = 0
    by_name: dict[str, float] = field(default_factory=dict)

    @property
    def ns_per_call(self) -> float:
        return self.run_time_ns / max(1, self.calls)

    @property
    def ns_per_run(self) -> float:
        return self.run_time_ns / max(1, self.runs)


class CountingWorkload(Workload):
    """A workload that reads the programs' statistics just before and after each loop."""

    programs = Programs()

    def __enter__(self) -> CountingWorkload:
        return self

    def loop(self, load: Load) -> Took:
        before = totals()
        took = super().loop(load)
        self.programs = difference(before, totals(), took.calls)
        return took


def totals() -> dict[int, tuple[str, int, int]]:
    """Return name, run time in ns and number of runs of each program, by its id.

    Only programs held by descendants of this process: others may trace on this machine too.
    """
    found = {}
    held = kernel.bpf_objects_held_by(it.pid for it in kernel.descendants(os.getpid()))
    for kind, number in held:
        if kind != "prog":
            continue
        try:
            with program(number) as fd:
                info = prog_info(fd)
        except OSError:
            continue  # it has been freed
        found[number] = (info.name, info.run_time_ns, info.run_cnt)
    return found


def difference(
    before: dict[int, tuple[str, int, int]], after: dict[int, tuple[str, int, int]], calls: int
) -> Programs:
    """Return what ran between two readings. Pure."""
    result = Programs(calls=calls)
    for number, (name, time_ns, runs) in after.items():
        _, old_ns, old_runs = before.get(number, (name, 0, 0))
        if runs > old_runs:
            result.run_time_ns += time_ns - old_ns
            result.runs += runs - old_runs
            result.by_name[name] = (time_ns - old_ns) / (runs - old_runs)
    return result


@contextmanager
def counted() -> Iterator[None]:
    """Have the kernel measure all programs; raises OSError before Linux 5.8."""
    fd = enable_run_time_stats()
    try:
        yield
    finally:
        os.close(fd)


def measure(
    ways: Mapping[str, Callable[[Workload], object]],
    new_workload: Callable[[], CountingWorkload],
) -> dict[str, Programs]:
    """Run one loop with each tracer, each with a new workload."""
    found = {}
    with counted():
        for name, way in ways.items():
            with new_workload() as workload:
                way(workload)
                found[name] = workload.programs
    return found
