# SPDX-License-Identifier: Apache-2.0
"""Starting child processes from one thread that lives as long as the service.

The parent-death signal (prctl(2), PR_SET_PDEATHSIG) is sent when the *thread* that made the
child ends, not the process: a child made by a request's thread would be killed with it.
"""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from app import ROOT

Made = TypeVar("Made")


@dataclass(frozen=True)
class Tracer:
    """A tracer process and our end of its socket; both are the taker's to end."""

    process: subprocess.Popen[bytes]
    socket: socket.socket


class Spawner:
    """One permanent thread that makes processes, and one tracer ahead of need.

    The one ahead has loaded numpy and Arrow and waits for its request: that is more than half of
    a probe's start. It costs some memory, and no CPU.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._ahead: Tracer | None = None
        self._thread = threading.Thread(target=self._work, name="spawner", daemon=True)
        self._thread.start()

    def take(self) -> Tracer:
        """A tracer that waits for its request. Raises OSError when none can be started."""
        return self._do(self._take)

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Another process, whose output goes to pipes; it can ask to end with the service
        (app.linux.process.end_with_parent). Raises OSError."""
        return self._do(lambda: _start(command))

    def close(self) -> None:
        """End the tracer ahead; nothing can be taken or started any more."""
        self._jobs.put(None)
        self._thread.join()

    def _do(self, make: Callable[[], Made]) -> Made:
        """Have the thread make something."""
        future: Future[Made] = Future()

        def job() -> None:
            try:
                future.set_result(make())
            except OSError as error:
                future.set_exception(error)

        self._jobs.put(job)
        return future.result()

    def _work(self) -> None:
        self._ahead = _start_ahead()
        while (job := self._jobs.get()) is not None:
            job()
            if self._ahead is None:
                self._ahead = _start_ahead()
        if self._ahead is not None:
            _end(self._ahead)

    def _take(self) -> Tracer:
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.process.poll() is not None:
            _end(ahead)
            ahead = None  # somebody killed it
        return ahead or start_tracer()


def start_tracer() -> Tracer:
    """A new process with its socket as standard input and no other descriptor of ours.

    Its standard error is a pipe. Raises OSError.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            command = [sys.executable, "-m", "app.tracer"]
            process = _start(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)
        except BaseException:
            ours.close()
            raise
    return Tracer(process, ours)


def _start(
    command: Sequence[str], *, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=child_environment(),
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the service
    )


def _start_ahead() -> Tracer | None:
    try:
        return start_tracer()
    except OSError:
        return None  # whoever takes one will try again, and be told


def _end(tracer: Tracer) -> None:
    tracer.socket.close()
    tracer.process.kill()
    with tracer.process:
        pass  # closes its pipe and waits


def child_environment() -> dict[str, str]:
    """What a child needs of ours, and nothing else."""
    kept = {
        name: os.environ[name] for name in ("PATH", "PYTHONDONTWRITEBYTECODE") if name in os.environ
    }
    # numpy would start a thread for each CPU, for linear algebra that a tracer has none of.
    return {**kept, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
