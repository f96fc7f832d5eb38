"""`./bench`: see --help."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.bench import comparison, native, tables
from tests.bench.workload import Load, compile_workload


def say(text: str) -> None:
    """A line, at once, also when the output is a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="./bench", description=__doc__)
    parser.add_argument("--calls", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pd-bench-", dir="/dev/shm") as place:
        folder = Path(place)
        cache = folder / "cache"
        cache.mkdir(mode=0o700)
        bench = native.Bench(compile_workload(folder), folder, cache)
        with native.prepared(bench) as (service, viewers):
            for mode, function in native.modes(service).items():
                say(f"== {mode} ({function})")
                found = comparison.measure(
                    native.tracers(bench, service, viewers, mode, function, Load(options.calls)),
                    options.rounds,
                    say,
                )
                say(tables.comparison(comparison.summaries(found)))


if __name__ == "__main__":
    main()
