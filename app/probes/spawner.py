# SPDX-License-Identifier: Apache-2.0
"""Starts child processes from one thread that lives as long as the service.

The parent-death signal is sent when the *thread* that created the child ends (prctl(2),
PR_SET_PDEATHSIG): a child started by a request's thread would be killed with that thread.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import IO, Protocol, TypeVar

from app import ROOT
from app.probes.run_end import signal_name
from app.probes.tracer_forker import TracerForker

TRACER = [sys.executable, "-m", "app.tracer"]
log = logging.getLogger(__name__)

Made = TypeVar("Made")


class TracerChild(Protocol):
    """What is used of a tracer's subprocess.Popen, or of a ForkedProcess."""

    @property
    def pid(self) -> int: ...

    @property
    def stderr(self) -> IO[bytes] | None: ...

    def wait(self) -> int: ...


@dataclass(frozen=True)
class Tracer:
    """A tracer process and our end of its socket; the caller that takes it ends both."""

    process: TracerChild
    socket: socket.socket


class Spawner:
    """One permanent thread that starts processes.

    Tracers are forked by a process that has loaded numpy and Arrow, which is more than half of a
    probe's start. Where that cannot be, each loads them itself. If that process is killed, it is
    reaped and replaced at once, not at the next start.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._forker: TracerForker | None = None
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
        """End the process that forks tracers; nothing can be taken or started any more."""
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
        self._renew_forker()
        while (job := self._jobs.get()) is not None:
            job()
        self._end_forker()

    def _take(self) -> Tracer:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                return Tracer(self._fork(theirs) or start_tracer(theirs), ours)
            except BaseException:
                ours.close()
                raise

    def _fork(self, theirs: socket.socket) -> TracerChild | None:
        """Return a tracer, or None if it must be started otherwise."""
        for _ in range(2):  # the process may have been killed
            if self._forker is None:
                self._renew_forker()
            if self._forker is None:
                return None
            try:
                return self._forker.fork(theirs)
            except (ConnectionError, TimeoutError) as error:
                log.warning("the process that forks tracers is started again: %s", error)
                self._end_forker()
            except OSError as error:
                log.warning("no tracer can be forked: %s", error)
                return None
        return None

    def _renew_forker(self) -> None:
        try:
            self._forker = TracerForker(start_forker)
        except OSError as error:
            log.warning("no process to fork tracers: %s", error)
            return
        threading.Thread(
            target=self._watch, args=(self._forker,), name="forker-watch", daemon=True
        ).start()

    def _watch(self, forker: TracerForker) -> None:
        """Wait for the end of the process that forks tracers, in a thread of its own."""
        status = forker.wait_for_end()
        self._jobs.put(lambda: self._forker_ended(forker, status))

    def _forker_ended(self, forker: TracerForker, status: int | None) -> None:
        """Reap and replace the process that forks tracers, unless that has been done."""
        if self._forker is not forker or status is None:
            return
        by_signal = f"was ended by {signal_name(-status)}"
        how = by_signal if status < 0 else f"ended with status {status}"
        was_ready = forker.was_ready()
        self._end_forker()
        if was_ready:
            log.warning("the process that forks tracers is started again: it %s", how)
            self._renew_forker()
        else:  # the next one would probably end as well: the next start of a probe tries
            log.warning("the process that forks tracers was not ready: it %s", how)

    def _end_forker(self) -> None:
        if self._forker is not None:
            self._forker.close()
            self._forker = None


def start_tracer(theirs: socket.socket) -> subprocess.Popen[bytes]:
    """Start a tracer with this socket as standard input and a pipe as standard error.

    It gets no other descriptor of ours. Raises OSError.
    """
    return _start(TRACER, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)


def start_forker(theirs: socket.socket) -> subprocess.Popen[bytes]:
    """Start a process that forks tracers; its standard error is ours. Raises OSError."""
    command = [*TRACER, "--forks"]
    return _start(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=None)


def _start(
    command: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int | None = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=child_environment(),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,  # so that Ctrl-C reaches the service only
    )


def child_environment() -> dict[str, str]:
    """Return the part of our environment that a child needs."""
    passed_on = {
        name: os.environ[name] for name in ("PATH", "PYTHONDONTWRITEBYTECODE") if name in os.environ
    }
    # Otherwise OpenBLAS, which numpy loads, starts a thread for each CPU, and no child uses them.
    return {**passed_on, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
