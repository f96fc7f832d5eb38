# SPDX-License-Identifier: Apache-2.0
"""What a service does for the first time on a machine: just started, with an empty cache."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Spread, spread
from benchmarks.native import Bench
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

START = "first start of a mode, with its compiler"
FIRST, AGAIN = "first GET /functions after the start", "later ones"
SPEC = {"syscall": "openat", "columns": ["filename"]}
QUERY = "/functions?q=vfs_*"
LATER = 20


def measure(bench: Bench, rounds: int) -> dict[str, Spread]:
    """Return milliseconds by name. What is measured first has the service to itself."""
    found: dict[str, list[float]] = {START: [], FIRST: [], AGAIN: []}
    for _ in range(rounds):
        with _fresh(bench) as service:
            found[START].append(_took_ms(lambda: service.start("bench", **SPEC)))
            service.stop("bench")
        with _fresh(bench) as service:
            found[FIRST].append(_took_ms(lambda: service.request("GET", QUERY)))
            wait_until(lambda: service.request("GET", QUERY).status == 200, "the index")
            for _ in range(LATER):
                found[AGAIN].append(_took_ms(lambda: service.expect(200, "GET", QUERY)))
    return {name: spread(values) for name, values in found.items()}


@contextmanager
def _fresh(bench: Bench) -> Iterator[Service]:
    """Run a service in folders of its own, with nothing in its cache."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as place:
        cache = Path(place, "cache")
        cache.mkdir(mode=0o700)
        with running_service(Path(place), cache) as service:
            yield service


def _took_ms(do: Callable[[], object]) -> float:
    begin_ns = time.monotonic_ns()
    do()
    return (time.monotonic_ns() - begin_ns) / 1e6
