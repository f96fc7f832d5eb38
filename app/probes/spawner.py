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
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Tracer:
    """A tracer process and our end of its socket; both are the taker's to end."""

    process: subprocess.Popen[bytes]
    socket: socket.socket


class Spawner:
    """One permanent thread that makes tracer processes, one ahead of need.

    The one ahead has loaded BCC, numpy and Arrow and waits for its request: that is more than
    half of a probe's start. It costs some memory, and no CPU.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Future[Tracer] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="spawner", daemon=True)
        self._thread.start()

    def take(self) -> Tracer:
        """A tracer that waits for its request. Raises OSError when none can be started."""
        future: Future[Tracer] = Future()
        self._jobs.put(future)
        return future.result()

    def close(self) -> None:
        """End the one ahead; nothing can be taken any more."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        ahead = _start_ahead()
        while (future := self._jobs.get()) is not None:
            if ahead is not None and ahead.process.poll() is not None:
                _end(ahead)
                ahead = None  # somebody killed it
            try:
                future.set_result(ahead or start_tracer())
            except OSError as error:
                future.set_exception(error)
            ahead = _start_ahead()
        if ahead is not None:
            _end(ahead)


def start_tracer() -> Tracer:
    """A new process with its socket as standard input and no other descriptor of ours.

    Its standard error is a pipe. Raises OSError.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "app.tracer"],
                cwd=PROJECT,
                env=child_environment(),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the service
            )
        except BaseException:
            ours.close()
            raise
    return Tracer(process, ours)


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
