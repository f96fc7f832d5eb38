# SPDX-License-Identifier: Apache-2.0
"""What goes between the service and a tracer (docs/protocol.md, "Tracer frames").

Used on both sides of the socket: imports neither bcc nor flask.
"""

from __future__ import annotations

import errno
import io
import json
import select
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.probes.spec import Filter

HEADER = struct.Struct("<IIQ")  # size of the body in bytes, kind, rows
KIND_JSON, KIND_BATCH = 1, 2
MAX_BODY_BYTES = 64 << 20
FLUSH_TIMEOUT_S = 10.0  # without anything taken
_INT_BYTES = struct.calcsize("i")
MOST_DESCRIPTORS = 64  # with one message


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


def send_maps(sock: socket.socket, members: dict[str, Any], descriptors: Sequence[int]) -> None:
    """The tracer's first frame, with the descriptors it speaks of (unix(7), SCM_RIGHTS).

    Waits until the service's socket has taken it all. Raises ServiceGone.
    """
    body = json.dumps(members).encode()
    frame = HEADER.pack(len(body), KIND_JSON, 0) + body
    try:
        sent = socket.send_fds(sock, [frame], list(descriptors), socket.MSG_NOSIGNAL)
        sock.sendall(frame[sent:], socket.MSG_NOSIGNAL)
    except (BrokenPipeError, ConnectionResetError):
        raise ServiceGone from None


class BadFrame(Exception):
    """Malformed frame from a tracer; nothing after it can be trusted."""


class CutOff(BadFrame):
    """End of file within a frame: what it held is lost, and nothing is malformed."""


def read_frames(
    sock: socket.socket, descriptors: list[int] | None = None
) -> Iterator[tuple[int, int, bytes]]:
    """(kind, rows, body) of each frame until end of file. Raises BadFrame, OSError.

    Descriptors that come with a frame are appended to `descriptors` before it is yielded, and are
    the caller's to close; without that list none are taken. They come once, so after the first
    ones reading is buffered.
    """
    while descriptors == []:
        frame = _read_frame(lambda size: _receive(sock, size, descriptors))
        if frame is None:
            return
        yield frame
    with sock.makefile("rb", buffering=1 << 16) as stream:
        while frame := _read_frame(lambda size: _read(stream, size)):
            yield frame


def _read_frame(read: Callable[[int], bytes]) -> tuple[int, int, bytes] | None:
    """The next frame; None at end of file. `read` gives less than asked for at the end only."""
    header = read(HEADER.size)
    if not header:
        return None
    if len(header) < HEADER.size:
        raise CutOff("the tracer ended within a frame's header")
    size, kind, rows = HEADER.unpack(header)
    if kind not in (KIND_JSON, KIND_BATCH) or size > MAX_BODY_BYTES:
        raise BadFrame(f"kind {kind}, {size} bytes")
    body = read(size)
    if len(body) < size:
        raise CutOff("the tracer ended within a frame")
    return kind, rows, body


def _read(stream: io.IOBase, size: int) -> bytes:
    try:
        return bytes(stream.read(size))
    except ConnectionResetError:
        return b""  # as below


def _receive(sock: socket.socket, size: int, descriptors: list[int]) -> bytes:
    """`size` bytes and not one more: a descriptor comes with the frame that is being read."""
    parts = b""
    while len(parts) < size:
        try:
            data, ancillary, flags, _ = sock.recvmsg(
                size - len(parts),
                socket.CMSG_SPACE(MOST_DESCRIPTORS * _INT_BYTES),
                socket.MSG_CMSG_CLOEXEC,
            )
        except ConnectionResetError:
            # The end of a peer that had not read all that was sent to it; what it had sent itself
            # came before this (unix_stream_read_generic, net/unix/af_unix.c).
            return parts
        for level, kind, numbers in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                whole = len(numbers) // _INT_BYTES * _INT_BYTES
                descriptors.extend(memoryview(numbers[:whole]).cast("i"))
        if flags & socket.MSG_CTRUNC:
            raise OSError(errno.EMFILE, "no room for the descriptors of a tracer's maps")
        if not data:
            return parts
        parts += data
    return parts
