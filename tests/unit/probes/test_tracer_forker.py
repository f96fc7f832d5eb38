# SPDX-License-Identifier: Apache-2.0
"""Tracers that a process forks. They are real processes; what they do instead of tracing is not."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app import ROOT
from app.probes import tracer_forker
from app.probes.tracer_forker import TracerForker
from tests.support.waiting import PATIENCE_S, wait_until

# A forked process says who it is, and waits.
PROGRAM = """
import os, socket, sys, threading
from app.link.frames import ServiceGoneError
from app.linux.process import end_with_parent
from app.tracer.forks import serve
end_with_parent()
try:
    serve(socket.socket(fileno=os.dup(0)))
except ServiceGoneError:
    sys.exit(3)
end_with_parent()
heard = []
thread = threading.Thread(target=lambda: heard.append(os.read(0, 100)))
thread.start()
os.write(0, f"{os.getpid()} {os.getppid()} {threading.get_native_id()} {os.getsid(0)}".encode())
thread.join()
print("heard", heard[0], file=sys.stderr)
os.abort() if heard == [b"abort"] else sys.exit(7)
"""


def start(theirs: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=theirs.fileno(), cwd=ROOT)


@pytest.fixture
def forker() -> Iterator[TracerForker]:
    forker = TracerForker(start)
    yield forker
    forker.close()


@pytest.mark.parametrize(("word", "status"), [(b"go", 7), (b"abort", -signal.SIGABRT)])
def test_it_is_our_child_as_if_we_had_started_it(
    forker: TracerForker, word: bytes, status: int
) -> None:
    """An aborted one ends by that signal, so the C library knows its thread."""
    for _ in range(2):
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                child = forker.fork(theirs)
            ours.settimeout(PATIENCE_S)
            said = [int(word) for word in ours.recv(100).split()]
            assert said == [child.pid, os.getpid(), child.pid, child.pid]
            ours.send(word)
            with child.stderr:
                assert child.stderr.readline() == f"heard {word!r}\n".encode()
            assert child.wait() == status


def test_tracers_outlive_it_and_have_none_of_its_descriptors(forker: TracerForker) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            child = forker.fork(theirs)
        ours.settimeout(PATIENCE_S)
        assert ours.recv(100)
        open_ones = {int(entry.name) for entry in Path(f"/proc/{child.pid}/fd").iterdir()}
        assert open_ones == {0, 1, 2}
        forker.close()
        ours.send(b"go")
        with child.stderr:
            assert child.wait() == 7


def test_one_that_is_killed_says_so(forker: TracerForker) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(b"go")
        child = forker.fork(theirs)
        with child.stderr:
            assert child.wait() == 7
        forker._process.kill()
        with pytest.raises(ConnectionError):
            forker.fork(theirs)


def test_its_end_is_noticed_and_left_to_be_reaped(forker: TracerForker) -> None:
    forker._hear(PATIENCE_S)
    forker._is_ready = True
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(forker.wait_for_end)
        forker._process.kill()
        assert waiting.result(PATIENCE_S) == -signal.SIGKILL
    assert forker.was_ready()
    assert forker.wait_for_end() == -signal.SIGKILL
    assert f"{forker._process.pid} (" in Path(f"/proc/{forker._process.pid}/stat").read_text()
    forker.close()
    assert forker.wait_for_end() is None


@pytest.mark.parametrize("is_ready", [False, True])
def test_whether_it_could_fork_is_known_after_its_end(is_ready: bool) -> None:
    program = PROGRAM if is_ready else "import os, sys; sys.exit(5)"

    def begin(theirs: socket.socket) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", program], stdin=theirs.fileno(), cwd=ROOT)

    forker = TracerForker(begin)
    if is_ready:
        assert select.select([forker._control], [], [], PATIENCE_S)[0]  # it says READY
        forker._process.kill()
    assert forker.wait_for_end() == (-signal.SIGKILL if is_ready else 5)
    assert forker.was_ready() is is_ready
    forker.close()


def test_one_that_is_stuck_says_so(forker: TracerForker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracer_forker, "ANSWER_S", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        forker._hear(PATIENCE_S)
        forker._is_ready = True
        forker._process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            forker.fork(theirs)


def test_what_the_kernel_refuses_is_told(forker: TracerForker) -> None:
    forker._hear(PATIENCE_S)
    forker._is_ready = True
    limit = resource.prlimit(forker._process.pid, resource.RLIMIT_NOFILE)
    used = max(int(entry.name) for entry in Path(f"/proc/{forker._process.pid}/fd").iterdir())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        resource.prlimit(forker._process.pid, resource.RLIMIT_NOFILE, (used + 1, limit[1]))
        with pytest.raises(OSError, match="Too many open files"):
            forker.fork(theirs)
        resource.prlimit(forker._process.pid, resource.RLIMIT_NOFILE, limit)
        ours.send(b"go")
        child = forker.fork(theirs)
        with child.stderr:
            assert child.wait() == 7


def test_it_ends_with_us(forker: TracerForker) -> None:
    forker._control.close()
    assert forker._process.wait() == 3


def test_one_that_cannot_be_started() -> None:
    def refuse(theirs: socket.socket) -> subprocess.Popen[bytes]:
        raise FileNotFoundError

    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError):
        TracerForker(refuse)
    wait_until(lambda: len(list(Path("/proc/self/fd").iterdir())) == before, "its socket's end")
