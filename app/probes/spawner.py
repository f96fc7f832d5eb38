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
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


class Spawner:
    """One permanent thread that makes child processes."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[subprocess.Popen[bytes]], str, int]] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._work, name="spawner", daemon=True).start()

    def spawn(self, module: str, sock: socket.socket) -> subprocess.Popen[bytes]:
        """Run `python -m module` with the socket as its standard input and no other descriptor.

        Its standard error is a pipe. Raises OSError when the machine cannot start a process.
        """
        future: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((future, module, sock.fileno()))
        return future.result()

    def _work(self) -> None:
        while True:
            future, module, stdin = self._jobs.get()
            try:
                future.set_result(
                    subprocess.Popen(
                        [sys.executable, "-m", module],
                        cwd=PROJECT,
                        env=child_environment(),
                        stdin=stdin,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.PIPE,
                        start_new_session=True,  # Ctrl-C is for the service
                    )
                )
            except OSError as error:
                future.set_exception(error)


def child_environment() -> dict[str, str]:
    """What a child needs of ours, and nothing else."""
    kept = {
        name: os.environ[name] for name in ("PATH", "PYTHONDONTWRITEBYTECODE") if name in os.environ
    }
    # numpy would start a thread for each CPU, for linear algebra that a tracer has none of.
    return {**kept, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
