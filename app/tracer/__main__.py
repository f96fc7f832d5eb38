"""`python -m app.tracer`, started by the service only: its socket is standard input."""

from __future__ import annotations

import ctypes
import importlib
import os
import select
import signal
import socket
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType

from app.errors import ProbedeckError
from app.frames import Outbox, TracerRequest
from app.kernel.headers import find_headers
from app.kernel.tracefs import find_or_mount
from app.tracer.loop import LAST_SEND_TIMEOUT_S, Loop, ServiceGone
from app.tracer.programs import Programs

PR_SET_PDEATHSIG = 1


def die_with(parent_pid: int) -> None:
    """Be killed when the service's spawning thread ends; end at once when it has already."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        raise ServiceGone


def read_request(sock: socket.socket) -> TracerRequest:
    """The first line on the socket; what follows it stays unread."""
    line = b""
    while not line.endswith(b"\n"):
        byte = sock.recv(1)
        if not byte:
            raise ServiceGone
        line += byte
    return TracerRequest.decode(line)


def trace(request: TracerRequest, sock: socket.socket, outbox: Outbox) -> None:
    """Attach and drain until stopped. Raises ProbedeckError when the kernel or BCC refuses."""
    find_headers(Path(request.btf_path), Path(request.cache_dir)).apply()
    if request.mode == "tracepoint":
        find_or_mount()
    # numpy and nanoarrow are loaded while BCC compiles, which takes longer and is not Python.
    # After the mount: a thread started before would be in the other mount namespace.
    draining: Future[ModuleType] = Future()
    threading.Thread(target=_load_draining, args=(draining,), name="loader").start()
    with (
        Programs(request.mode, request.function, request.ring_bytes) as programs,
        draining.result().Drain(request, programs, outbox) as drain,
    ):
        programs.set_filter(request.filter)
        outbox.message({"type": "attached", "function": request.function})
        Loop(request, sock, outbox, programs).run(drain)
    flush(sock, outbox)


def _load_draining(result: Future[ModuleType]) -> None:
    try:
        result.set_result(importlib.import_module("app.tracer.drain"))
    except ImportError as error:
        result.set_exception(error)


def flush(sock: socket.socket, outbox: Outbox) -> None:
    """Send the last messages, waiting for the service to take them."""
    while outbox.waiting_bytes:
        if not select.select([], [sock], [], LAST_SEND_TIMEOUT_S)[1]:
            raise ServiceGone
        outbox.send()


def main() -> int:
    # Ctrl-C in the terminal is the service's to handle: it stops its tracers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(0)) as sock:
        outbox = Outbox(sock)
        try:
            request = read_request(sock)
            die_with(request.parent_pid)
            trace(request, sock, outbox)
        except ServiceGone:
            return 3
        except ProbedeckError as error:
            outbox.message(
                {
                    "type": "failed",
                    "status": error.status,
                    "code": error.code,
                    "detail": error.detail,
                    **error.extra,
                }
            )
            flush(sock, outbox)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
