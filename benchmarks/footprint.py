# SPDX-License-Identifier: Apache-2.0
"""Memory by process before, during and after a traced flood, and the CPU time of an idle probe."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks import bpftrace, ours, printk
from benchmarks.bpftrace_script import script
from benchmarks.native import Bench
from benchmarks.processes import CpuMeter, Memory, memory
from benchmarks.workload import Load
from tests.support.service import Service
from tests.support.waiting import wait_until

MODE = "tracepoint"
SETTLE_S = 5.0  # after the last event, for memory that is returned late


@dataclass(frozen=True)
class Footprint:
    """Memory of the service by role at four moments, and of other tracers after their loop."""

    before: dict[str, Memory]
    loaded: dict[str, Memory]
    steady: dict[str, Memory]
    after: dict[str, Memory]
    others: dict[str, Memory]


def by_role(service: Service) -> dict[str, Memory]:
    """Return the memory of each process now; roles are unique while one probe runs."""
    return {ours.role(service, process.pid): memory(process.pid) for process in service.processes()}


def measure(
    bench: Bench, service: Service, viewers: ours.Viewers, function: str, load: Load
) -> Footprint:
    """Measure a fresh service through a start, a flood, a pause and a stop.

    A first start, not measured, loads what only the first one does.
    """
    ours.start(service, MODE)
    service.stop(MODE)
    wait_until(lambda: ours.any_waiting(service), "a tracer to wait")
    before = by_role(service)
    with bench.workload() as workload:
        ours.start(service, MODE, filter={"pid": workload.pid})
        at = viewers.count()
        workload.loop(load)
        viewers.wait_for(load.total, at)
        loaded = by_role(service)
        time.sleep(SETTLE_S)
        steady = by_role(service)
        service.stop(MODE)
        time.sleep(SETTLE_S)
        wait_until(lambda: ours.any_waiting(service), "a tracer to wait")
        after = by_role(service)
        others = {}
        text = script(MODE, function, f"pid == {workload.pid}")
        with bpftrace.Bpftrace("text", text) as tracer:
            workload.loop(load)
            tracer.wait_until_drained()
            others["bpftrace text"] = tracer.memory()
        with printk.Printk(MODE, function, workload.pid, bench.cache) as reader:
            workload.loop(load)
            others["bpf_printk"] = reader.memory()
    return Footprint(before, loaded, steady, after, others)


def idle_percent(bench: Bench, service: Service, seconds: float) -> dict[str, float]:
    """Return percent of a core by role, for a probe without events and with connected viewers."""
    with bench.workload() as workload:
        ours.start(service, MODE, filter={"pid": workload.pid})
        wait_until(lambda: ours.any_waiting(service), "a tracer to wait")
        meter = CpuMeter(process.pid for process in service.processes())
        begin_ns = time.monotonic_ns()
        time.sleep(seconds)
        elapsed_ns = time.monotonic_ns() - begin_ns
        used = meter.used_ns()
        found = {ours.role(service, pid): 100 * ns / elapsed_ns for pid, ns in used.items()}
        service.stop(MODE)
    return found
