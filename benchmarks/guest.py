# SPDX-License-Identifier: Apache-2.0
"""Runs inside the virtual machine: python -m benchmarks.guest PROGRAM OUTPUT CALLS ROUNDS
TEMPLATES.

The machine's clock advances one nanosecond per instruction, so every time measured here is a
number of instructions. Measures all modes that the kernel allows and writes OUTPUT as JSON.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from app.probes.modes import PREFERENCE
from benchmarks import native, ours, run_time, traced
from benchmarks.comparison import JSON, UNTRACED
from benchmarks.figures import spread
from benchmarks.guest_figures import Cost, GuestFigures
from benchmarks.native import Bench
from benchmarks.results import Run
from benchmarks.workload import Load, Workload


def cost(runs: Sequence[Run], programs: run_time.Programs | None) -> Cost:
    """Return the medians of several runs, per call."""

    def median(values: list[float]) -> float:
        return spread(values).median

    return Cost(
        loop=median([run.took.cpu_ns_per_call for run in runs]),
        elapsed=median([run.took.elapsed_ns_per_call for run in runs]),
        reader=median([run.reader_ns / run.took.calls for run in runs]),
        programs=programs.ns_per_call if programs else 0.0,
        rows=median([100 * run.rows / run.took.calls for run in runs]),
        lost=median([100 * run.lost / run.took.calls for run in runs]),
    )


def one_cost(bench: Bench, name: str, way: Callable[[Workload], Run], rounds: int) -> Cost:
    """Measure one tracer, then the time in its programs. Raises RuntimeError if it cannot run."""
    runs = []
    for _ in range(rounds):
        with bench.workload() as workload:
            runs.append(way(workload))
    if name == UNTRACED:
        return cost(runs, None)
    programs = run_time.measure({name: way}, lambda: bench.workload_of(run_time.CountingWorkload))
    return cost(runs, programs[name])


def measure(bench: Bench, calls: int, rounds: int) -> GuestFigures:
    """Measure every tracer in every mode; one that fails is reported with its reason."""
    load = Load(calls)
    costs: dict[str, dict[str, Cost]] = {}
    failed: dict[str, str] = {}
    with native.prepared(bench) as service, ours.Viewers(service.port) as viewers:
        modes = native.modes(service)
        ways = {
            mode: native.tracers(bench, service, viewers, mode, function, load)
            for mode, function in modes.items()
        }
        for one in traced.ALL:
            if one.mode in modes:
                ways[one.title] = native.tracers_of(service, viewers, one, load)
        for mode, tracers in ways.items():
            costs[mode] = {}
            for name, way in tracers.items():
                if name == JSON:
                    continue  # in the kernel, the same as its text output
                print(f"{mode}: {name}", flush=True)
                try:
                    costs[mode][name] = one_cost(bench, name, way, rounds)
                except RuntimeError as error:  # bpftrace or BCC does not know this kernel
                    failed[f"{mode}, {name}"] = str(error)
                    continue
                print(f"  {costs[mode][name]}", flush=True)
        together: dict[str, Cost] = {}
        names = [mode for mode in PREFERENCE if mode in modes]
        for count in range(2, len(names) + 1):
            with bench.workload() as workload:
                run = ours.run(service, viewers, workload, load, names[:count])
            together[" ".join(names[:count])] = cost([run], None)
            print(f"{count} probes at once: {cost([run], None)}", flush=True)
    release = ".".join(platform.release().split(".")[:2])
    return GuestFigures(release, calls, costs, failed, together)


def main() -> None:
    """Measure everything, in a folder in the guest's own memory."""
    program, output, calls, rounds, templates = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="pd-bench-", dir="/dev/shm") as place:
        cache = Path(place, "cache")
        shutil.copytree(templates, cache)
        cache.chmod(0o700)
        found = measure(Bench(Path(program), Path(place), cache), int(calls), int(rounds))
    Path(output).write_text(json.dumps(found.as_json()))


if __name__ == "__main__":
    main()
