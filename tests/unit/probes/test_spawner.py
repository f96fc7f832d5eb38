# SPDX-License-Identifier: Apache-2.0
"""The thread that starts processes, and its spare tracer."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.probes import spawner as spawner_module
from app.probes.spawner import Spawner, Tracer, child_environment
from tests.support.waiting import wait_until


class FakeTracers:
    """In place of start_tracer: processes that wait for their input to end."""

    def __init__(self) -> None:
        self.made: list[Tracer] = []
        self.problem: OSError | None = None

    def start(self) -> Tracer:
        if self.problem:
            raise self.problem
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(["cat"], stdin=theirs.fileno(), stderr=subprocess.PIPE)
        self.made.append(Tracer(process, ours))
        return self.made[-1]

    def end(self, tracer: Tracer) -> None:
        tracer.socket.close()
        with tracer.process:
            tracer.process.kill()


@pytest.fixture
def tracers(monkeypatch: pytest.MonkeyPatch) -> FakeTracers:
    tracers = FakeTracers()
    monkeypatch.setattr(spawner_module, "start_tracer", tracers.start)
    return tracers


@pytest.fixture
def spawner(tracers: FakeTracers) -> Iterator[Spawner]:
    spawner = Spawner()
    spawner.open()
    yield spawner
    spawner.close()
    assert all(tracer.process.returncode is not None for tracer in tracers.made)


def test_a_spare_tracer_is_taken_and_replaced(spawner: Spawner, tracers: FakeTracers) -> None:
    wait_until(lambda: tracers.made, "the spare tracer")
    taken = spawner.take()
    assert taken is tracers.made[0]
    wait_until(lambda: len(tracers.made) == 2, "the next one")
    tracers.end(taken)


def test_a_spare_tracer_that_died_is_not_handed_out(spawner: Spawner, tracers: FakeTracers) -> None:
    wait_until(lambda: tracers.made, "the spare tracer")
    tracers.made[0].process.kill()
    tracers.made[0].process.wait()
    taken = spawner.take()
    assert taken is not tracers.made[0]
    assert tracers.made[0].socket.fileno() == -1  # closed
    tracers.end(taken)


def test_a_tracer_that_cannot_be_started(spawner: Spawner, tracers: FakeTracers) -> None:
    wait_until(lambda: tracers.made, "the spare tracer")
    tracers.problem = OSError(12, "Cannot allocate memory")
    taken = spawner.take()
    with pytest.raises(OSError, match="Cannot allocate memory"):
        spawner.take()
    tracers.problem = None
    again = spawner.take()
    for tracer in (taken, again):
        tracers.end(tracer)


def test_another_process(spawner: Spawner) -> None:
    with spawner.start([sys.executable, "-c", "print('out')"]) as process:
        assert process.communicate() == (b"out\n", b"")
    with pytest.raises(FileNotFoundError):
        spawner.start(["/nonexistent"])


def test_one_that_was_never_opened_can_be_closed() -> None:
    Spawner().close()


def test_the_environment_of_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "/tmp/x.so")
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    assert child_environment() == {
        "PATH": "/usr/bin",
        "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
    }
