# SPDX-License-Identifier: Apache-2.0
"""After SIGKILL of any process, the kernel keeps nothing of it.

The last of the kernel tests, and in the order of this file: the session's service gets a new
worker, and then ends. Under emulation each start, of a probe or of a service, takes seconds.
"""

from __future__ import annotations

import os
import signal

import pytest

from tests.support import kernel
from tests.support.calls import EXIT_MODES
from tests.support.fixtures import start_all, trace_all
from tests.support.kernel import Process
from tests.support.recording import change, check_ledger, mark, skipped_calls, wait_until_shown
from tests.support.service import Service
from tests.support.waiting import PATIENCE_S, wait_until

UNREAD_CALLS = 200


@pytest.mark.suites("bookworm")
def test_killed_tracers(idle: Service, modes: tuple[str, ...]) -> None:
    """A tracer's programs go with it, its probe says why it ended and can be started again.

    The other probes go on as if nothing had happened, and what it held is counted, to the row.
    With the modes that attach in different ways: BPF trampolines, kprobes, tracepoints.
    """
    alive = {mode for mode in modes if mode in EXIT_MODES}
    start_all(idle, alive)
    cursor = idle.cursor()
    before = {mode: idle.change(mode, pid=os.getpid()) for mode in alive}
    made = 0
    for tracer in idle.tracers():
        os.kill(tracer.pid, signal.SIGSTOP)
        for _ in range(UNREAD_CALLS):
            mark()
        made += UNREAD_CALLS
        kill_and_wait_until_gone(tracer)
        wait_until(lambda: failed_probes(idle) & alive, "its probe to have failed")
        (mode,) = failed_probes(idle) & alive
        alive.remove(mode)
        failed = idle.probe(mode)
        assert failed["ended"]["code"] == "tracer_failed"
        assert "SIGKILL" in failed["ended"]["detail"]
        check_ledger(failed["counters"])
        held = change("counters", before[mode], failed)["produced"]
        assert made <= held <= made + skipped_calls(before[mode], failed), mode
        made += 1
        wait_until_shown(idle, cursor, alive, mark())
    assert not alive
    idle.start(mode)
    wait_until_shown(idle, cursor, {mode}, mark())


def kill_and_wait_until_gone(tracer: Process) -> None:
    """Kill a tracer; until the BPF objects that it held are gone from the kernel."""
    held = kernel.bpf_objects_held_by([tracer.pid])
    assert {kind for kind, _ in held} >= {"prog", "map"}
    os.kill(tracer.pid, signal.SIGKILL)
    wait_until(lambda: not held & kernel.bpf_objects(), "its BPF objects to be gone")


def failed_probes(service: Service) -> set[str]:
    return {name for name, probe in service.probes().items() if probe["state"] == "failed"}


@pytest.mark.suites("trixie")
def test_killed_worker(session_service: Service, modes: tuple[str, ...]) -> None:
    """Tracers do not outlive the process they report to; its successor can start them again."""
    trace_all(session_service, modes[-1:])
    worker = session_service.worker()
    tracers = session_service.tracers()
    os.kill(worker.pid, signal.SIGKILL)
    gone = {worker.pid, *(tracer.pid for tracer in tracers)}
    wait_until(
        lambda: not gone & {process.pid for process in session_service.processes()},
        "the worker and its tracers to be gone",
    )
    session_service.wait_until_gone_from_kernel()
    session_service.wait_until_ready()
    assert {probe["state"] for probe in session_service.probes().values()} == {"stopped"}


@pytest.mark.suites("trixie-backports")
def test_killed_master(session_service: Service, modes: tuple[str, ...]) -> None:
    """Everything ends with gunicorn's arbiter."""
    session_service.start(modes[-1])
    assert session_service.tracers()
    assert session_service.bpf_objects()
    session_service.process.kill()
    session_service.process.wait(PATIENCE_S)
    session_service.check_nothing_left()
