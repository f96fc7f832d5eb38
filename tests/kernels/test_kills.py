"""Losses and violent ends: what is lost is counted, and the kernel keeps nothing of the dead.

With a service of its own. The tests build on each other, in the order of this file, because
each start takes seconds under emulation.
"""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import kernel
from tests.support.batches import Row
from tests.support.calls import Workload
from tests.support.fixtures import start_all, trace_all
from tests.support.kernel import Process
from tests.support.recording import Probe, check_ledger, flood_names, mark, wait_until_shown
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

NAME_BYTES = 48
FLOOD_PER_THREAD = 5000  # from two threads more than a ring of 1 MiB can hold


@pytest.fixture(scope="module")
def small(
    session_service: Service, tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> Iterator[Service]:
    """A service with as small a ring as can be. (`session_service` has the reasons to skip.)"""
    with running_service(tmp_path_factory.mktemp("small"), cache, "--ring-mib", "1") as service:
        yield service


def test_what_the_rings_cannot_hold_is_counted(small: Service, modes: tuple[str, ...]) -> None:
    """The tracers stand still while the rings overflow: what was lost, they tell to the row."""
    with Workload(comm="pd-flood") as workload:
        start_all(small, modes, filter={"pid": workload.pid})
        cursor = small.cursor()
        tracers = small.tracers()
        assert len(tracers) == len(modes)
        for tracer in tracers:
            os.kill(tracer.pid, signal.SIGSTOP)
        try:
            base = workload.begin("flood", count=FLOOD_PER_THREAD, name_bytes=NAME_BYTES, threads=2)
            made = workload.made()
        finally:
            for tracer in tracers:
                os.kill(tracer.pid, signal.SIGCONT)
        for mode in modes:
            wait_for_produced(small, mode, sum(made.values()))
    rows: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in small.events_after(cursor)[0]:
        rows[row["probe"], row["tid"]].append(row)
    for mode in modes:
        probe = small.probe(mode)
        counters = probe["counters"]
        check_ledger(counters)
        assert counters["produced"] == sum(made.values()) == 2 * FLOOD_PER_THREAD
        assert counters["dropped_kernel"] == sum(probe["drops"].values())
        assert probe["drops"]["ring_full"] > 0
        assert counters["dropped_pipe"] == counters["dropped_client"] == 0
        assert sum(len(rows[mode, tid]) for tid in made) == counters["delivered"] > 0
        # What was kept is whole, and in order: the first calls, and maybe some later ones.
        for number, tid in enumerate(made):
            names = flood_names(base, number, FLOOD_PER_THREAD, NAME_BYTES)
            places = {name: place for place, name in enumerate(names)}
            kept = [places[row["filename"]] for row in rows[mode, tid]]
            assert kept == sorted(set(kept))
            assert kept[:100] == list(range(100))


def test_flood_is_accounted_for(small: Service, modes: tuple[str, ...]) -> None:
    """At full speed, with every mode tracing, whatever is lost is counted."""
    trace_all(small, modes)
    with Workload(comm="pd-flood") as workload:
        for mode in modes:
            small.change(mode, pid=workload.pid)
        before = small.probes()
        workload.begin("flood", count=FLOOD_PER_THREAD, name_bytes=NAME_BYTES, threads=2)
        made = sum(workload.made().values())
        for mode in modes:
            produced = before[mode]["counters"]["produced"] + made
            wait_for_produced(small, mode, produced)
            counters = small.probe(mode)["counters"]
            check_ledger(counters)
            assert counters["produced"] == produced, mode


def test_killed_tracers(small: Service, modes: tuple[str, ...]) -> None:
    """A tracer's programs go with it, its probe says why it ended and starts again at once.

    The other probes go on as if nothing had happened.
    """
    trace_all(small, modes)
    for tracer in small.tracers():
        cursor = small.cursor()
        kill_and_wait_until_gone(tracer)
        (failed,) = wait_until(lambda: failed_probes(small), "its probe to have failed")
        mode = failed["id"]
        assert failed["ended"]["code"] == "tracer_failed"
        assert "SIGKILL" in failed["ended"]["detail"]
        check_ledger(failed["counters"])
        wait_until_shown(small, cursor, set(modes) - {mode}, mark())
        small.start(mode)
        wait_until_shown(small, cursor, {mode}, mark())


def kill_and_wait_until_gone(tracer: Process) -> None:
    """Kill a tracer; until the BPF objects that it held are gone from the kernel."""
    held = kernel.bpf_objects_held_by([tracer.pid])
    assert {kind for kind, _ in held} >= {"prog", "map"}
    os.kill(tracer.pid, signal.SIGKILL)
    wait_until(lambda: not held & kernel.bpf_objects(), "its BPF objects to be gone")


def failed_probes(service: Service) -> list[Probe]:
    return [probe for probe in service.probes().values() if probe["state"] == "failed"]


def wait_for_produced(service: Service, mode: str, count: int) -> None:
    """Until the probe has accounted for so many rows."""
    wait_until(
        lambda: service.probe(mode)["counters"]["produced"] >= count,
        f"{mode} to account for all calls",
    )


def test_killed_worker(small: Service, modes: tuple[str, ...]) -> None:
    """Tracers do not outlive the process they report to; its successor can start them anew."""
    trace_all(small, modes)
    worker = small.worker()
    tracers = small.tracers()
    assert len(tracers) == len(modes)
    assert small.bpf_objects()
    os.kill(worker.pid, signal.SIGKILL)
    gone = {worker.pid, *(tracer.pid for tracer in tracers)}
    wait_until(
        lambda: not gone & {process.pid for process in small.processes()},
        "the worker and its tracers to be gone",
    )
    small.wait_until_gone_from_kernel()
    small.wait_until_ready()
    assert {probe["state"] for probe in small.probes().values()} == {"stopped"}


def test_killed_master(small: Service, modes: tuple[str, ...]) -> None:
    """All goes with gunicorn's first process. The last test here: it leaves no service."""
    small.start(modes[-1])
    assert small.tracers()
    assert small.bpf_objects()
    small.process.kill()
    small.process.wait()
    small.check_nothing_left()
