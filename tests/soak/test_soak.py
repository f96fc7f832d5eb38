# SPDX-License-Identifier: Apache-2.0
"""Probes started, changed, killed and stopped all the time, under load and with all kinds of
clients.

What the service holds between the rounds (memory, threads, descriptors, BPF objects) stays
as it was. How long it takes is PROBEDECK_SOAK_S, in seconds; `./test soak` sets ten minutes.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pytest

from tests.integration.test_many_clients import held_by, visit
from tests.support.calls import Workload
from tests.support.figures import figure
from tests.support.kernel import Process
from tests.support.recording import check_ledger
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

SOAK_S = float(os.environ.get("PROBEDECK_SOAK_S", "20"))
SEED = 20261124
LINES = 30  # of the table at most


@dataclass(frozen=True)
class Rest:
    """What the service held when nothing ran and nobody watched; memory in KiB."""

    at_s: int
    rounds: int
    rows: int
    lost: int
    threads: int
    descriptors: int
    bpf_objects: int
    processes: int
    private_kib: int


@pytest.fixture
def soaked(tmp_path: Path, cache: Path, modes: tuple[str, ...]) -> Iterator[Service]:
    options = ("--recent-mib", "4", "--client-queue-mib", "1")
    with running_service(tmp_path, cache, *options) as service:
        yield service


def one_round(
    service: Service, mode: str, workload: Workload, chance: random.Random
) -> tuple[int, int]:
    """A probe's life; the rows that were produced, and those lost."""
    service.start(mode, filter={"pid": workload.pid}, restart=chance.random() < 0.5)
    with ExitStack() as stack:
        stack.enter_context(service.websocket())
        stack.enter_context(service.ndjson())
        slow = stack.enter_context(service.websocket(receive_buffer_bytes=4096))
        slow.pause()
        workload.begin("flood", count=10**9, name_bytes=1000, threads=2, pause_every=20)
        for number in range(chance.randrange(10, 40)):
            visit(service, number)
        service.change(mode, pid=workload.pid, comm=None)
        if chance.random() < 0.3:
            (tracer,) = service.tracers()
            os.kill(tracer.pid, signal.SIGKILL)
            wait_until(lambda: service.probe(mode)["state"] != "running", "the failure to show")
        workload.end_flood()
    probe = service.probe(mode)
    answer = service.request("DELETE", f"/probes/{mode}")
    if answer.status == 200:
        probe = answer.json
    else:
        assert (answer.status, probe["state"]) == (404, "failed")
    check_ledger(probe["counters"])
    produced, delivered = probe["counters"]["produced"], probe["counters"]["delivered"]
    return produced, produced - delivered


def at_rest(service: Service, mode: str, start_s: float, done: tuple[int, int, int]) -> Rest:
    wait_until(lambda: not service.probe(mode)["clients"], "all clients to be gone")
    # Compiling in the background takes minutes on a busy machine, and BCC makes maps for it.
    wait_until(lambda: not compilers(service), "the compiler to have done its work")
    service.wait_until_gone_from_kernel()
    threads, descriptors, private_kib = held_by(service)
    return Rest(
        int(time.monotonic() - start_s),
        *done,
        threads,
        descriptors,
        len(service.bpf_objects()),
        len(service.processes()),
        private_kib,
    )


def compilers(service: Service) -> list[Process]:
    return [each for each in service.processes() if "app.tracer.compile" in each.command]


def test_nothing_grows(soaked: Service, modes: tuple[str, ...]) -> None:
    mode, chance, start_s = modes[-1], random.Random(SEED), time.monotonic()
    rests: list[Rest] = []
    rows = lost = rounds = 0
    while time.monotonic() - start_s < SOAK_S or rounds < 6:
        with Workload(comm="pd-soak") as workload:
            more, missing = one_round(soaked, mode, workload, chance)
        rounds, rows, lost = rounds + 1, rows + more, lost + missing
        rests.append(at_rest(soaked, mode, start_s, (rounds, rows, lost)))
    show(rests)
    assert rows > 0
    # The first third warms up: pools of threads, caches, the log of recent events.
    third = len(rests) // 3
    middle, last = rests[third : 2 * third], rests[2 * third :]
    # The index of functions may be at work: a process and its descriptors.
    for name, slack in (("descriptors", 4), ("processes", 1), ("bpf_objects", 0)):
        before = statistics.median(getattr(rest, name) for rest in middle)
        after = statistics.median(getattr(rest, name) for rest in last)
        assert after <= before + slack, f"{name}: {before} -> {after}"
    assert max(rest.threads for rest in last) <= 64 + 24 + 8  # the pool, the stream limit, our own
    before = statistics.median(rest.private_kib for rest in middle)
    after = statistics.median(rest.private_kib for rest in last)
    figure("private memory in the middle and at the end", f"{before:.0f}, {after:.0f} KiB")
    if SOAK_S >= 300:  # a short run is too short to tell growth from warming up
        assert after <= before * 1.05


def show(rests: list[Rest]) -> None:
    names = [each.name for each in fields(Rest)]
    step = max(1, len(rests) // LINES)
    figure("soak", "")
    figure("soak", " ".join(f"{name:>11}" for name in names))
    for rest in [*rests[::step], rests[-1]]:
        figure("soak", " ".join(f"{value:>11}" for value in astuple(rest)))
