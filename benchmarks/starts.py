# SPDX-License-Identifier: Apache-2.0
"""Time until attached: from a request to the service, and from bpftrace's start."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import bpftrace, ours
from benchmarks.bpftrace_script import script, three_calls
from benchmarks.comparison import rotated
from benchmarks.figures import Spread, spread
from benchmarks.native import Bench
from tests.support.service import Service

OURS, SAME, ONE = "probedeck", "bpftrace, same tracepoints", "bpftrace, unlinkat only"


def measure(bench: Bench, service: Service, function: str, rounds: int) -> dict[str, Spread]:
    """Return milliseconds by name. ONE does less: the others trace unlink and rmdir too."""
    with bench.workload() as workload:
        condition = f"pid == {workload.pid}"

        def request() -> float:
            took_ns = ours.start(service, "tracepoint", filter={"pid": workload.pid})
            service.stop("tracepoint")
            return took_ns / 1e6

        def whole(text: str) -> float:
            with bpftrace.Bpftrace("text", text) as tracer:
                return tracer.start_ns / 1e6

        ways: dict[str, Callable[[], float]] = {
            OURS: request,
            SAME: lambda: whole(three_calls(condition)),
            ONE: lambda: whole(script("tracepoint", function, condition)),
        }
        found: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds):
            for name in rotated(list(ways), number):
                found[name].append(ways[name]())
    return {name: spread(values) for name, values in found.items()}
