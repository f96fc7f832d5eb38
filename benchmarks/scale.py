# SPDX-License-Identifier: Apache-2.0
"""How cost grows with viewers, probes, threads, length of names, and what the filter passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import ours
from benchmarks.comparison import Summary, summarise
from benchmarks.native import Bench
from benchmarks.results import Run
from benchmarks.workload import PASSING_COMM, Load
from tests.support.service import Service

VIEWERS = (1, 10, 50)
THREADS = (1, 2, 4)
NAME_BYTES = (12, 60, 250, 1000, 4000)
# Percent of calls that pass the filter, and which ones: every n-th, or none.
PASSING = {100: 1, 1: 100, 0: 0}
LONG_SHARE = 4  # a fraction of the calls for long names


@dataclass(frozen=True)
class Point:
    """One value of one parameter that varies. `spec` is added to the probe's filter."""

    axis: str
    value: int
    load: Load
    modes: tuple[str, ...]
    clients: int = 1
    spec: tuple[tuple[str, Any], ...] = ()


def points(calls: int, modes: Sequence[str]) -> Iterator[Point]:
    """Yield all points; `modes` are those that this kernel allows, best first."""
    one = tuple(modes[:1])
    for clients in VIEWERS:
        yield Point("viewers", clients, Load(2 * calls), one, clients)
    for count in range(1, len(modes) + 1):
        yield Point("probes", count, Load(calls), tuple(modes[:count]))
    for threads in THREADS:
        yield Point("threads", threads, Load(calls // threads, threads), one)
    for size in NAME_BYTES:
        share = 1 if size < 256 else LONG_SHARE
        yield Point("name bytes", size, Load(calls // share, name_bytes=size), one)
    for percent, every in PASSING.items():
        # Where not all calls pass, those that do are made under another thread name.
        spec = () if percent == 100 else (("comm", PASSING_COMM),)
        load = Load(calls, pass_every=every if percent == 1 else 0)
        yield Point("passing %", percent, load, one, spec=spec)


def measure(
    bench: Bench, service: Service, wanted: Sequence[Point], rounds: int, say: Callable[[str], None]
) -> list[tuple[Point, Summary]]:
    """Run the loop untraced and traced in turn at each point."""
    found = []
    for point in wanted:
        untraced: list[Run] = []
        traced: list[Run] = []
        with ours.Viewers(service.port, point.clients) as viewers:
            for _ in range(rounds):
                with bench.workload() as workload:
                    untraced.append(Run(workload.loop(point.load)))
                with bench.workload() as workload:
                    run = ours.run(
                        service, viewers, workload, point.load, point.modes, **dict(point.spec)
                    )
                    traced.append(run)
        summary = summarise(traced, untraced)
        say(
            f"  {point.axis} {point.value}: {summary.cpu_slowdown.median:.2f} x the loop's CPU, "
            f"{summary.call_us.median:.2f} us of ours a call"
        )
        found.append((point, summary))
    return found
