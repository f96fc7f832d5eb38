# SPDX-License-Identifier: Apache-2.0
"""The thread that starts processes. The process that forks tracers, and these, are fakes."""

from __future__ import annotations

import queue
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.probes import spawner as spawner_module
from app.probes.spawner import Spawner, Tracer, child_environment
from tests.support.waiting import wait_until


def cat(theirs: socket.socket) -> subprocess.Popen[bytes]:
    """In place of a tracer: a process that waits for its input to end."""
    return subprocess.Popen(["cat"], stdin=theirs.fileno(), stderr=subprocess.PIPE)


class FakeForkers:
    """In place of TracerForker; `problems` are what the next ones do when told to fork."""

    def __init__(self) -> None:
        self.made = 0
        self.closed = 0
        self.forked = 0
        self.problems: list[OSError] = []
        self.cannot_start: OSError | None = None
        self.are_ready = True
        self.ends: queue.SimpleQueue[int | None] = queue.SimpleQueue()  # one for each, in turn

    def __call__(self, start: object) -> FakeForkers:
        if self.cannot_start:
            raise self.cannot_start
        self.made += 1
        return self

    def fork(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        if self.problems:
            raise self.problems.pop(0)
        self.forked += 1
        return cat(theirs)

    def wait_for_end(self) -> int | None:
        return self.ends.get()

    def was_ready(self) -> bool:
        return self.are_ready

    def close(self) -> None:
        self.closed += 1
        self.ends.put(None)


class FakeTracers:
    """In place of start_tracer."""

    def __init__(self) -> None:
        self.made = 0
        self.problem: OSError | None = None

    def __call__(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        if self.problem:
            raise self.problem
        self.made += 1
        return cat(theirs)


@pytest.fixture
def forkers(monkeypatch: pytest.MonkeyPatch) -> FakeForkers:
    forkers = FakeForkers()
    monkeypatch.setattr(spawner_module, "TracerForker", forkers)
    return forkers


@pytest.fixture
def tracers(monkeypatch: pytest.MonkeyPatch) -> FakeTracers:
    tracers = FakeTracers()
    monkeypatch.setattr(spawner_module, "start_tracer", tracers)
    return tracers


@pytest.fixture
def spawner(forkers: FakeForkers, tracers: FakeTracers) -> Iterator[Spawner]:
    spawner = Spawner()
    spawner.open()
    yield spawner
    spawner.close()
    assert forkers.made == forkers.closed


def end(tracer: Tracer) -> None:
    tracer.socket.close()
    assert tracer.process.wait() == 0
    assert tracer.process.stderr
    tracer.process.stderr.close()


def test_tracers_are_forked_by_one_process(
    spawner: Spawner, forkers: FakeForkers, tracers: FakeTracers
) -> None:
    wait_until(lambda: forkers.made, "the process, before it is needed")
    for _ in range(3):
        end(spawner.take())
    assert (forkers.made, forkers.forked, tracers.made) == (1, 3, 0)


@pytest.mark.parametrize("problem", [ConnectionError("it ended"), TimeoutError("it is stuck")])
def test_a_process_of_no_use_is_replaced(
    spawner: Spawner, forkers: FakeForkers, tracers: FakeTracers, problem: OSError
) -> None:
    forkers.problems = [problem]
    end(spawner.take())
    assert (forkers.made, forkers.forked, tracers.made) == (2, 1, 0)


def test_an_idle_one_that_ends_is_replaced_at_once(
    spawner: Spawner, forkers: FakeForkers, caplog: pytest.LogCaptureFixture
) -> None:
    wait_until(lambda: forkers.made, "the process")
    forkers.ends.put(-signal.SIGKILL)
    wait_until(lambda: forkers.made == 2, "another process, without a start")
    assert forkers.closed == 1  # which reaps the first
    assert caplog.messages == [
        "the process that forks tracers is started again: it was ended by SIGKILL"
    ]
    end(spawner.take())
    assert (forkers.made, forkers.forked) == (2, 1)


def test_one_that_ends_before_it_is_ready_waits_for_a_start(
    spawner: Spawner, forkers: FakeForkers, caplog: pytest.LogCaptureFixture
) -> None:
    """It would end again and again, and take all of a processor."""
    wait_until(lambda: forkers.made, "the process")
    forkers.are_ready = False
    forkers.ends.put(1)
    wait_until(lambda: caplog.messages, "a warning")
    assert (forkers.made, forkers.closed) == (1, 1)
    assert caplog.messages == [
        "the process that forks tracers was not ready: it ended with status 1"
    ]
    end(spawner.take())
    assert (forkers.made, forkers.forked) == (2, 1)


@pytest.mark.parametrize(
    "problems",
    [[OSError(38, "Function not implemented")], [ConnectionError("it ended")] * 2],
)
def test_a_tracer_that_cannot_be_forked_is_started(
    spawner: Spawner, forkers: FakeForkers, tracers: FakeTracers, problems: list[OSError]
) -> None:
    forkers.problems = [*problems]
    end(spawner.take())
    assert (forkers.forked, tracers.made) == (0, 1)
    end(spawner.take())
    assert (forkers.forked, tracers.made) == (1, 1)


def test_a_tracer_that_cannot_be_started_either(
    spawner: Spawner, forkers: FakeForkers, tracers: FakeTracers
) -> None:
    wait_until(lambda: forkers.made, "the process")
    forkers.problems = [ConnectionError("it ended")]
    forkers.cannot_start = tracers.problem = OSError(12, "Cannot allocate memory")
    with pytest.raises(OSError, match="Cannot allocate memory"):
        spawner.take()
    forkers.cannot_start = tracers.problem = None
    end(spawner.take())
    assert (forkers.made, forkers.forked) == (2, 1)


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
