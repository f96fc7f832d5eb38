# SPDX-License-Identifier: Apache-2.0
"""The delay from a call to the websocket frame that holds its row."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import ours
from benchmarks.figures import percentile
from benchmarks.native import Bench
from benchmarks.reader import read_kept
from benchmarks.workload import Stamps
from tests.support.batches import read_batch
from tests.support.service import Service

BUSY_HZ, QUIET_HZ = 10_000.0, 2.9  # out of step with any polling at 10 Hz
QUIET_CALLS = 30


@dataclass(frozen=True)
class Delays:
    """Milliseconds from just before the call until its frame was read completely."""

    calls: int
    p50: float
    p99: float
    longest: float


def delays(stamps: Stamps, frames: list[tuple[int, list[str]]]) -> list[float]:
    """Return the delay of each call in ms; `stamps[i]` is the time of the call named `no-i`.

    `frames` are pairs of arrival time and file names. Raises ValueError when a call has no row, or
    two. Pure.
    """
    found: dict[int, float] = {}
    for arrived_ns, names in frames:
        for name in names:
            number = int(name.removeprefix("no-"))
            if number in found:
                raise ValueError(f"{name} came twice")
            found[number] = (arrived_ns - int(stamps[number])) / 1e6
    if len(found) != len(stamps):
        raise ValueError(f"{len(stamps) - len(found)} calls have no row")
    return [found[number] for number in range(len(stamps))]


def measure(bench: Bench, service: Service, calls: int, rate_hz: float) -> Delays:
    """Measure with a viewer that stores frames, which are decoded afterwards."""
    with ours.Viewers(service.port, keep=True) as viewers, bench.workload() as workload:
        ours.start(service, "tracepoint", filter={"pid": workload.pid})
        before = viewers.count()
        stamps = workload.paced(calls, rate_hz, bench.folder / "stamps")
        viewers.wait_for(calls, before)
        viewers.save(bench.folder / "frames")
        service.stop("tracepoint")
    frames = [
        (stamp_ns, [row["filename"] for row in read_batch(payload).rows])
        for stamp_ns, payload in read_kept((bench.folder / "frames").read_bytes())
    ]
    values = delays(stamps, frames)
    return Delays(calls, percentile(values, 50), percentile(values, 99), max(values))
