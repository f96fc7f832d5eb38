"""`python -m app.tracer`, started by the service only: its socket is standard input.

Loads everything first and then waits for its request, so that one can be kept ready.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
from pathlib import Path

from app.errors import ProbedeckError
from app.frames import Outbox, TracerRequest
from app.kernel.headers import find_headers
from app.kernel.tracefs import find_or_mount
from app.tracer.drain import Drain
from app.tracer.loop import LAST_SEND_TIMEOUT_S, Loop, ServiceGone
from app.tracer.programs import Programs

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
_libc = ctypes.CDLL(None, use_errno=True)


def set_process_name(name: str) -> None:
    """What ps and top show: at most 15 bytes."""
    _libc.prctl(PR_SET_NAME, name.encode())


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
    with (
        Programs(request.mode, request.function, request.ring_bytes) as programs,
        Drain(request, programs, outbox) as drain,
    ):
        programs.set_filter(request.filter)
        outbox.message({"type": "attached", "function": request.function})
        Loop(request, sock, outbox, programs).run(drain)
    flush(sock, outbox)


def flush(sock: socket.socket, outbox: Outbox) -> None:
    """Send the last messages, waiting for the service to take them."""
    while outbox.waiting_bytes:
        if not select.select([], [sock], [], LAST_SEND_TIMEOUT_S)[1]:
            raise ServiceGone
        outbox.send()


def main() -> int:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # of the service's spawning thread
    set_process_name("pd:waiting")
    with socket.socket(fileno=os.dup(0)) as sock:
        outbox = Outbox(sock)
        try:
            request = read_request(sock)
            if os.getppid() != request.parent_pid:
                raise ServiceGone  # before the call above; the signal will not come
            set_process_name(f"pd:{request.mode}")
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
