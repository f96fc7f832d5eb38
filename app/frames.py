# SPDX-License-Identifier: Apache-2.0
"""What goes between the service and a tracer (docs/protocol.md, "Tracer frames").

Used on both sides of the socket: imports neither bcc nor flask.
"""

from __future__ import annotations

import json
import select
import socket
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from app.probes.spec import Filter

HEADER = struct.Struct("<IIQ")  # size of the body in bytes, kind, rows
KIND_JSON, KIND_BATCH = 1, 2
MAX_BODY_BYTES = 64 << 20
FLUSH_TIMEOUT_S = 10.0  # without anything taken


@dataclass(frozen=True)
class TracerRequest:
    """Everything a tracer needs. Sizes in bytes; `run` tells this start from others.

    `function` is the kernel's own symbol, or what to call the tracepoints.
    """

    probe: str
    mode: str
    function: str
    run: int
    parent_pid: int
    filter: Filter
    duration_s: float | None
    ring_bytes: int
    btf_path: str
    cache_dir: str

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> TracerRequest:
        """Raises ValueError, TypeError or KeyError: the service and its tracer do not match."""
        members: dict[str, Any] = json.loads(line)
        members["filter"] = Filter(**members["filter"])
        return cls(**members)


class ServiceGone(Exception):
    """The service closed its end, or takes nothing any more: there is nobody to trace for."""


class Outbox:
    """Frames waiting for the service, sent as far as its socket takes them, never blocking."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._waiting: deque[memoryview] = deque()
        self.waiting_bytes = 0

    def message(self, members: dict[str, Any]) -> None:
        """Queue a control message; a socket that has room takes it whole."""
        body = json.dumps(members).encode()
        self._add(HEADER.pack(len(body), KIND_JSON, 0) + body)

    def batch(self, rows: int, data: bytes) -> None:
        """Queue a batch."""
        self._add(HEADER.pack(len(data), KIND_BATCH, rows), data)

    def _add(self, *parts: bytes) -> None:
        for part in parts:
            self._waiting.append(memoryview(part))
            self.waiting_bytes += len(part)

    def send(self) -> None:
        """Send what the socket takes now. Raises ServiceGone."""
        while self._waiting:
            part = self._waiting[0]
            try:
                sent = self._socket.send(part, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                raise ServiceGone from None
            self.waiting_bytes -= sent
            if sent == len(part):
                self._waiting.popleft()
            else:
                self._waiting[0] = part[sent:]

    def flush(self) -> None:
        """Send everything, waiting for the service to take it. Raises ServiceGone."""
        while self.waiting_bytes:
            if not select.select([], [self._socket], [], FLUSH_TIMEOUT_S)[1]:
                raise ServiceGone
            self.send()


class BadFrame(Exception):
    """What a tracer sent is no frame; nothing after it can be trusted."""


def read_frames(sock: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    """(kind, rows, body) of each frame until end of file. Raises BadFrame, OSError."""
    with sock.makefile("rb", buffering=1 << 16) as stream:
        while header := stream.read(HEADER.size):
            if len(header) < HEADER.size:
                raise BadFrame("the tracer ended within a frame's header")
            size, kind, rows = HEADER.unpack(header)
            if kind not in (KIND_JSON, KIND_BATCH) or size > MAX_BODY_BYTES:
                raise BadFrame(f"kind {kind}, {size} bytes")
            body = stream.read(size)
            if len(body) < size:
                raise BadFrame("the tracer ended within a frame")
            yield kind, rows, body
