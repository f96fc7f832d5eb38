"""`python -m app.tracer`, started by the service only: its socket is standard input.

Loads everything first and then waits for its request, so that one can be kept ready.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys

from app.errors import ProbedeckError
from app.frames import Outbox, ServiceGone, TracerRequest
from app.kernel.tracefs import own_mounts

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


def main() -> int:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # of the service's spawning thread
    set_process_name("pd:waiting")
    own_mounts()

    from app.tracer.session import trace  # noqa: PLC0415 - BCC looks at tracefs when it is loaded

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
            outbox.flush()
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
