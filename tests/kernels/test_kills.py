"""Losses and violent ends: what is lost is counted, and the kernel keeps nothing of the dead."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.calls import Workload
from tests.support.fixtures import stop_all
from tests.support.recording import check_ledger, flood_names, mark, names_since
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

NAME_BYTES = 48
FLOOD_PER_THREAD = 12_000  # more rows than a ring of 1 MiB can hold


@pytest.fixture(scope="module")
def small(
    session_service: Service, tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> Iterator[Service]:
    """A service with as small a ring as can be. (`session_service` has the reasons to skip.)"""
    with running_service(tmp_path_factory.mktemp("small"), cache, "--ring-mib", "1") as service:
        yield service


@pytest.fixture
def small_service(small: Service) -> Iterator[Service]:
    yield small
    stop_all(small)
    small.wait_until_gone_from_kernel()


def test_what_the_ring_cannot_hold_is_counted(small_service: Service, mode: str) -> None:
    """The tracer stands still while the ring overflows: what it missed, it tells to the row."""
    with Workload(comm="pd-flood") as workload:
        small_service.start(mode, filter={"pid": workload.pid})
        (tracer,) = small_service.tracers()
        cursor = small_service.cursor()
        os.kill(tracer.pid, signal.SIGSTOP)
        try:
            base = workload.begin("flood", count=FLOOD_PER_THREAD, name_bytes=NAME_BYTES, threads=2)
            made = workload.made()
        finally:
            os.kill(tracer.pid, signal.SIGCONT)
        stopped = small_service.stop(mode)
    counters = stopped["counters"]
    check_ledger(counters)
    assert counters["produced"] == sum(made.values()) == 2 * FLOOD_PER_THREAD
    assert counters["dropped_kernel"] == sum(stopped["drops"].values())
    assert stopped["drops"]["ring_full"] > 0
    assert counters["dropped_pipe"] == counters["dropped_client"] == 0
    rows, _ = small_service.events_after(cursor)
    assert len(rows) == counters["delivered"] > 0
    # What was kept is whole, and in order: calls before the ring was full, and maybe later.
    for number, tid in enumerate(made):
        names = flood_names(base, number, FLOOD_PER_THREAD, NAME_BYTES)
        places = {name: place for place, name in enumerate(names)}
        kept = [places[row["filename"]] for row in rows if row["tid"] == tid]
        assert kept == sorted(set(kept))
        assert kept[:100] == list(range(100))


def test_flood_is_accounted_for(small_service: Service, modes: tuple[str, ...]) -> None:
    """At full speed, with every mode tracing, whatever is lost is counted."""
    with Workload(comm="pd-flood") as workload:
        for mode in modes:
            small_service.start(mode, filter={"pid": workload.pid})
        workload.begin("flood", count=FLOOD_PER_THREAD, name_bytes=NAME_BYTES, threads=2)
        made = sum(workload.made().values())
        for mode in modes:
            counters = small_service.stop(mode)["counters"]
            check_ledger(counters)
            assert counters["produced"] == made, mode


def test_killed_tracer(small_service: Service, mode: str) -> None:
    """Its programs go with it, its probe says why it ended, and starts again at once."""
    small_service.start(mode)
    (tracer,) = small_service.tracers()
    os.kill(tracer.pid, signal.SIGKILL)
    small_service.wait_until_gone_from_kernel()
    wait_until(lambda: small_service.probe(mode)["state"] == "failed", "the probe to have failed")
    failed = small_service.probe(mode)
    assert failed["ended"]["code"] == "tracer_failed"
    assert failed["ended"]["detail"].strip()
    check_ledger(failed["counters"])
    cursor = small_service.cursor()
    small_service.start(mode)
    name = mark()
    small_service.stop(mode)
    assert names_since(small_service, cursor, mode).count(name) == 1


# --- The last two: they leave the service with a new worker, and then without any process ---


def test_killed_worker(small: Service, modes: tuple[str, ...]) -> None:
    """Tracers do not outlive the process that they report to; its successor can start them anew."""
    for mode in modes:
        small.start(mode)
    worker = small.worker()
    tracers = {tracer.pid for tracer in small.tracers()}
    assert len(tracers) == len(modes)
    assert small.bpf_objects()
    os.kill(worker.pid, signal.SIGKILL)
    wait_until(
        lambda: not {worker.pid, *tracers} & {p.pid for p in small.processes()},
        "the tracers to end with their worker",
    )
    small.wait_until_gone_from_kernel()
    small.wait_until_ready()
    assert {probe["state"] for probe in small.probes().values()} == {"stopped"}
    small.start(modes[0])


def test_killed_master(small: Service, modes: tuple[str, ...]) -> None:
    """All goes with gunicorn's first process."""
    for mode in modes[1:]:
        small.start(mode)
    assert small.bpf_objects()
    small.process.kill()
    small.process.wait()
    small.check_nothing_left()
