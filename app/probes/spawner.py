# SPDX-License-Identifier: Apache-2.0
"""Starts child processes from one thread that lives as long as the service.

The parent-death signal is sent when the *thread* that created the child ends (prctl(2),
PR_SET_PDEATHSIG): a child started by a request's thread would be killed with that thread.
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
    """A tracer process and our end of its socket; the caller that takes it ends both."""

    process: subprocess.Popen[bytes]
    socket: socket.socket


class Spawner:
    """One permanent thread that starts processes, and one spare tracer.

    The spare tracer has loaded numpy and Arrow, which is more than half of a probe's start, and
    waits for its request. It costs some memory and no CPU.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._spare: Tracer | None = None
        self._thread = threading.Thread(target=self._work, name="spawner", daemon=True)

    def open(self) -> None:
        """Start the thread, in the process that is to be the children's parent."""
        self._thread.start()

    def take(self) -> Tracer:
        """Return a tracer that waits for its request. Raises OSError if none can be started."""
        return self._do(self._take)

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start another process, with pipes for its output. Raises OSError.

        It can ask to end with the service (app.linux.process.end_with_parent).
        """
        return self._do(lambda: _start(command))

    def close(self) -> None:
        """End the spare tracer; nothing can be taken or started any more."""
        self._jobs.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def _do(self, make: Callable[[], Made]) -> Made:
        """Run `make` in the thread and return its result."""
        future: Future[Made] = Future()

        def job() -> None:
            try:
                future.set_result(make())
            except OSError as error:
                future.set_exception(error)

        self._jobs.put(job)
        return future.result()

    def _work(self) -> None:
        self._spare = _start_spare()
        while (job := self._jobs.get()) is not None:
            job()
            if self._spare is None:
                self._spare = _start_spare()
        if self._spare is not None:
            _end(self._spare)

    def _take(self) -> Tracer:
        spare, self._spare = self._spare, None
        if spare is not None and spare.process.poll() is not None:
            _end(spare)  # it was killed
            spare = None
        return spare or start_tracer()


def start_tracer() -> Tracer:
    """Start a tracer with a socket as standard input and a pipe as standard error.

    It gets no other descriptor of ours. Raises OSError.
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
        start_new_session=True,  # so that Ctrl-C reaches the service only
    )


def _start_spare() -> Tracer | None:
    try:
        return start_tracer()
    except OSError:
        return None  # the next `take` tries again, and raises


def _end(tracer: Tracer) -> None:
    tracer.socket.close()
    tracer.process.kill()
    with tracer.process:
        pass  # closes its pipe and waits


def child_environment() -> dict[str, str]:
    """Return the part of our environment that a child needs."""
    passed_on = {
        name: os.environ[name] for name in ("PATH", "PYTHONDONTWRITEBYTECODE") if name in os.environ
    }
    # Otherwise OpenBLAS, which numpy loads, starts a thread for each CPU, and no child uses them.
    return {**passed_on, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
