# SPDX-License-Identifier: Apache-2.0
"""`python -m app.tracer`, started by the service only: its socket is standard input.

Loads everything first and then waits for its request, so that one can be kept ready.
"""

from __future__ import annotations

import os
import socket
import sys

from app.errors import ProbedeckError
from app.link.frames import Outbox, ServiceGone, TracerRequest
from app.linux.allocator import keep_freed_memory
from app.linux.process import end_with_parent, is_child_of, set_process_name


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
    end_with_parent()  # which is the service's spawning thread
    set_process_name("pd:waiting")
    keep_freed_memory()

    from app.tracer.causes import log_and_tell  # noqa: PLC0415
    from app.tracer.session import prepare, trace  # noqa: PLC0415 - ps shows who waits for them

    prepare()

    with socket.socket(fileno=os.dup(0)) as sock:
        outbox = Outbox(sock)
        try:
            request = read_request(sock)
            if not is_child_of(request.parent_pid):
                raise ServiceGone  # before the call above; the signal will not come
            set_process_name(f"pd:{request.mode}")
            trace(request, sock, outbox)
        except ServiceGone:
            return 3
        except ProbedeckError as error:
            return tell_failure(outbox, error)
        except Exception as error:  # noqa: BLE001 - this is where a tracer's failures are told
            cause = log_and_tell(error)
            detail = f"the tracer failed: {cause}"
            return tell_failure(outbox, ProbedeckError(502, "tracer_failed", detail, reason=cause))
    return 0


def tell_failure(outbox: Outbox, error: ProbedeckError) -> int:
    """The last message, behind what waits to be sent; the exit status."""
    what = {"status": error.status, "code": error.code, "detail": error.detail}
    try:
        outbox.message({"type": "failed", **what, **error.extra})
        outbox.flush()
    except ServiceGone:
        return 3
    return 1


if __name__ == "__main__":
    sys.exit(main())
