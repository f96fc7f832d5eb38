# SPDX-License-Identifier: Apache-2.0
"""`python -m app.tracer`: trace for the service, whose socket is standard input.

It imports everything before it waits for its request. With `--forks` it does so once, and then
forks tracers (app/tracer/forks.py).
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

from app.errors import ProbedeckError
from app.link.frames import Outbox, ServiceGoneError, TracerRequest
from app.linux.allocator import keep_freed_memory
from app.linux.process import end_with_parent, is_child_of, set_process_name

REQUEST_BYTES = 65536  # read at once


def read_request(sock: socket.socket) -> TracerRequest:
    """Return the first line on the socket; what follows stays unread. Raises ServiceGoneError."""
    line = b""
    while not line.endswith(b"\n"):
        waiting = sock.recv(REQUEST_BYTES, socket.MSG_PEEK)
        if not waiting:
            raise ServiceGoneError
        line += sock.recv(waiting.find(b"\n") + 1 or len(waiting))
    return TracerRequest.decode(line)


def main(argv: Sequence[str]) -> int:
    end_with_parent()  # the parent is the service's spawning thread
    set_process_name("pd:waiting")
    keep_freed_memory()

    from app.tracer.causes import log_and_describe  # noqa: PLC0415
    from app.tracer.forks import serve  # noqa: PLC0415
    from app.tracer.session import prepare, trace  # noqa: PLC0415 - named first, as importing takes long

    prepare()
    if "--forks" in argv:
        try:
            serve(socket.socket(fileno=os.dup(0)))
        except ServiceGoneError:
            return 3
        end_with_parent()  # the service is the parent of each tracer, too

    with socket.socket(fileno=os.dup(0)) as sock:
        outbox = Outbox(sock)
        try:
            request = read_request(sock)
            if not is_child_of(request.parent_pid):
                raise ServiceGoneError  # before the call above; the signal will not come
            set_process_name(f"pd:{request.mode}")
            trace(request, sock, outbox)
        except ServiceGoneError:
            return 3
        except ProbedeckError as error:
            return report_failure(outbox, error)
        except Exception as error:  # noqa: BLE001 - the tracer's outermost frame reports all
            cause = log_and_describe(error)
            detail = f"the tracer failed: {cause}"
            failure = ProbedeckError(502, "tracer_failed", detail, reason=cause)
            return report_failure(outbox, failure)
    return 0


def report_failure(outbox: Outbox, error: ProbedeckError) -> int:
    """Send the last message, after what is queued; return the exit status."""
    what = {"status": error.status, "code": error.code, "detail": error.detail}
    try:
        outbox.message({"type": "failed", **what, **error.extra})
        outbox.flush()
    except ServiceGoneError:
        return 3
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
