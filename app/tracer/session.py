"""A tracer's session: attach, drain until stopped, detach.

Importing this loads BCC, numpy and Arrow: most of what a start costs, and done ahead of it.
"""

from __future__ import annotations

import socket
from pathlib import Path

from app.frames import Outbox, TracerRequest
from app.kernel.headers import find_headers
from app.kernel.tracefs import find_or_mount
from app.tracer.drain import Drain
from app.tracer.loop import Loop
from app.tracer.programs import Programs


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
    outbox.flush()
