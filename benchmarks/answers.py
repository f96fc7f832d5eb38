# SPDX-License-Identifier: Apache-2.0
"""How long a caller waits: for starts of what was never traced, and for the index of functions."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks import ours
from benchmarks.figures import Spread, spread
from benchmarks.native import Bench
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

VERY_FIRST = "very first start of a mode, with its compiler run"
NEVER_TRACED = "start of a system call never traced before"
FIRST_INDEX = "first GET /functions that has a list, after the service's start"
LATER_INDEX = "later GET /functions"
# The goals, in ms.
LIMITS_MS = {VERY_FIRST: 1500, NEVER_TRACED: 60, FIRST_INDEX: 1000, LATER_INDEX: 50}
# System calls that nothing else of the benchmark traces, and that are rare.
CALLS = ("acct", "chroot", "mknod", "mknodat", "setdomainname", "sethostname", "swapoff", "swapon")
PROBE = "bench-answers"
QUERY = "/functions?q=takes:sock"


def measure(bench: Bench, service: Service) -> dict[str, Spread]:
    """Return milliseconds by name; `service` has compiled all its templates."""
    found = {NEVER_TRACED: [_started(service, call) for call in CALLS]}
    folder = bench.folder / "fresh"
    folder.mkdir(exist_ok=True)
    cache = bench.folder / "fresh-cache"
    cache.mkdir(mode=0o700, exist_ok=True)
    with running_service(folder, cache, *ours.OPTIONS) as fresh:
        # The first answers may be 503: the list is being made.
        found[FIRST_INDEX] = [_took(lambda: wait_until(lambda: _has_list(fresh), "the list"))]
        found[LATER_INDEX] = [_answered(fresh) for _ in CALLS]
        found[VERY_FIRST] = [_took(lambda: fresh.start(PROBE, **_body(CALLS[0])))]
        fresh.stop(PROBE)
    return {name: spread(values) for name, values in found.items()}


def _has_list(service: Service) -> bool:
    """Return whether the service answers with the functions."""
    return service.request("GET", QUERY).status == 200


def _body(call: str) -> dict[str, str]:
    return {"mode": "tracepoint", "syscall": call}


def _started(service: Service, call: str) -> float:
    took_ns = ours.start(service, PROBE, **_body(call))
    service.stop(PROBE)
    return took_ns / 1e6


def _answered(service: Service) -> float:
    return _took(lambda: service.expect(200, "GET", QUERY))


def _took(action: Callable[[], object]) -> float:
    """Return how many milliseconds it took."""
    begin_ns = time.monotonic_ns()
    action()
    return (time.monotonic_ns() - begin_ns) / 1e6
