# SPDX-License-Identifier: Apache-2.0
"""`./bench`: run the chosen parts, print tables, write figures and plots."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.linux import signals
from app.probes.modes import PREFERENCE
from benchmarks import (
    answers,
    comparison,
    delays,
    footprint,
    native,
    options,
    ours,
    page,
    plots,
    run_time,
    scale,
    starts,
    traced,
    vm,
)
from benchmarks.comparison import UNTRACED
from benchmarks.found import Found, machine
from benchmarks.report import report
from benchmarks.workload import Load, compile_workload
from tests.support.service import Service


def say(text: str) -> None:
    """Print a line and flush it, as the output may be a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def bench_in_memory() -> Iterator[native.Bench]:
    """Yield what the native measurements share, in a temporary folder on tmpfs."""
    with tempfile.TemporaryDirectory(prefix="pd-bench-", dir="/dev/shm") as place:
        folder = Path(place)
        cache = folder / "cache"
        cache.mkdir(mode=0o700)
        yield native.Bench(compile_workload(folder), folder, cache)


def measure_with_viewer(
    wanted: options.Options, found: Found, bench: native.Bench, service: Service
) -> None:
    """Run the parts that need one viewer; memory first, while the service is fresh."""
    load = Load(wanted.calls)
    modes = native.modes(service)
    with ours.Viewers(service.port) as viewers:
        if "memory" in wanted.parts and (function := modes.get("tracepoint")):
            say("== memory")
            found.footprint = footprint.measure(bench, service, viewers, function, load)
            found.idle = footprint.idle_percent(bench, service, 3.0 if wanted.quick else 10.0)
        if "compare" in wanted.parts:
            for mode, function in modes.items():
                say(f"== compare: {mode} ({function}), {load.calls:,} calls")
                tracers = native.tracers(bench, service, viewers, mode, function, load)
                runs = comparison.measure(tracers, bench.workload, wanted.rounds, say)
                found.compare[mode] = comparison.summaries(runs)
        if "traced" in wanted.parts and "tracepoint" in modes:
            one = traced.OPENAT
            say(f"== traced: {one.title}")
            tracers = native.tracers_of(service, viewers, one, load)
            runs = comparison.measure(tracers, bench.workload, wanted.rounds, say)
            found.traced[one.title] = comparison.summaries(runs)
        if "runtime" in wanted.parts:
            for mode, function in modes.items():
                say(f"== runtime: {mode}")
                fewer = Load(load.calls // 4)
                tracers = native.tracers(bench, service, viewers, mode, function, fewer)
                del tracers[UNTRACED]
                found.run_time[mode] = run_time.measure(
                    tracers, lambda: bench.workload_of(run_time.CountingWorkload)
                )


def measure_alone(
    wanted: options.Options, found: Found, bench: native.Bench, service: Service
) -> None:
    """Run the parts that bring their own viewers, or need none."""
    modes = native.modes(service)
    if "start" in wanted.parts and (function := modes.get("tracepoint")):
        say("== start")
        found.start = starts.measure(bench, service, function, 2 * wanted.rounds + 1)
    if "answers" in wanted.parts and "tracepoint" in modes:
        say("== answers")
        found.answers = answers.measure(bench, service)
    if "delay" in wanted.parts and "tracepoint" in modes:
        say("== delay")
        busy = int(delays.BUSY_HZ * (1 if wanted.quick else 8))
        quiet = 5 if wanted.quick else delays.QUIET_CALLS
        found.delays["busy"] = delays.measure(bench, service, busy, delays.BUSY_HZ)
        found.delays["quiet"] = delays.measure(bench, service, quiet, delays.QUIET_HZ)
    if "scale" in wanted.parts:
        say("== scale")
        best = [mode for mode in PREFERENCE if mode in modes]
        points = list(scale.points(wanted.calls // 2, best))
        found.scale = scale.measure(bench, service, points, 1 if wanted.quick else 3, say)


def measure_native(wanted: options.Options, found: Found) -> None:
    """Run the parts that use this machine's own kernel."""
    with bench_in_memory() as bench, native.prepared(bench) as service:
        if not native.modes(service):
            raise SystemExit("this kernel allows no tracing mode; try ./bench vm")
        measure_with_viewer(wanted, found, bench, service)
        measure_alone(wanted, found, bench, service)


def main() -> int:
    """Run `./bench` and return its exit status."""
    wanted = options.read(sys.argv[1:])
    signals.restore()
    # Unwind on SIGTERM, so that probes are detached and processes ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found = Found(machine())
    if set(wanted.parts) & set(options.NATIVE):
        measure_native(wanted, found)
    if "page" in wanted.parts:
        say("== page")
        found.page = page.measure(4.0 if wanted.quick else 12.0)
    if "programs" in wanted.parts:
        say("== programs")
        found.programs = vm.programs_alone(wanted.suite, wanted.vm_calls, say)
    if "vm" in wanted.parts:
        say("== vm")
        found.vm = vm.measure(wanted.suite, wanted.vm_calls, say)
    for paragraph in report(found):
        say("\n" + paragraph)
    if wanted.json:
        wanted.json.write_text(json.dumps(found.as_json(), indent=1) + "\n")
    if wanted.plots:
        for path in plots.draw(found, wanted.plots):
            say(f"plotted: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
