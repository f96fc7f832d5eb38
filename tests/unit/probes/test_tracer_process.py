# SPDX-License-Identifier: Apache-2.0
"""Talking to a tracer, killing and reaping it; the process is this test's own."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.probes.planning import MAX_PLAN_BYTES
from app.probes.run_end import End
from app.probes.spawner import Tracer
from app.probes.tracer_process import TracerProcess
from tests.support.waiting import PATIENCE_S

LATE, SECOND = End("stop_timeout", "late", 504), End("stopping", "the service ended", 503)


class Actor:
    """A process that writes to its standard error and waits, and the other end of the socket."""

    def __init__(self) -> None:
        ours, self.line = socket.socketpair()
        self.line.settimeout(PATIENCE_S)
        program = "import sys, time; print('oh no', file=sys.stderr, flush=True); time.sleep(1000)"
        process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
        self.process = TracerProcess(Tracer(process, ours), "fexit")


@pytest.fixture
def actor() -> Iterator[Actor]:
    actor = Actor()
    frames = actor.process.frames([])
    yield actor
    actor.process.kill()
    with actor.line:
        assert list(frames) == []
        assert actor.process.reap() == -9
    # Nobody is talked to or killed any more, whoever has the numbers by now.
    assert not actor.process.tell({})
    actor.process.kill(SECOND)
    assert actor.process.killed_for is not SECOND


def test_a_message_is_a_line(actor: Actor) -> None:
    assert actor.process.tell({"type": "stop"})
    assert actor.line.recv(100) == b'{"type": "stop"}\n'


def test_a_tracer_that_reads_nothing_blocks_nobody(actor: Actor) -> None:
    while actor.process.tell({"type": "stop"}):
        pass


def test_a_long_line_is_sent_whole(actor: Actor) -> None:
    line = b"x" * (MAX_PLAN_BYTES + 4096) + b"\n"
    assert actor.process.send(line)
    received = b""
    while len(received) < len(line):
        received += actor.line.recv(1 << 16)
    assert received == line


def test_a_tracer_that_was_sent_a_part_of_a_line_is_killed(actor: Actor) -> None:
    assert not actor.process.send(b"x" * (8 << 20))
    killed_for = actor.process.killed_for
    assert killed_for and killed_for.extra == {"reason": "its socket is full"}


def test_a_tracer_that_closed_its_end(actor: Actor) -> None:
    actor.line.shutdown(socket.SHUT_RDWR)
    assert not actor.process.tell({"type": "stop"})


def test_the_first_reason_to_kill_counts(actor: Actor) -> None:
    actor.process.kill()
    assert actor.process.killed_for is None
    actor.process.kill(LATE)
    actor.process.kill(SECOND)
    assert actor.process.killed_for is LATE


def test_standard_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        actor = Actor()
        frames = actor.process.frames([])
        stderr = actor.process._process.stderr
        assert stderr is not None
        while not caplog.messages:
            pass
        actor.process.kill()
        with actor.line:
            assert list(frames) == []
            actor.process.reap()
    assert caplog.messages == ["tracer of fexit: oh no"]
    assert stderr.closed
