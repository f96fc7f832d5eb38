# SPDX-License-Identifier: Apache-2.0
"""Frames and messages between the service and a tracer (docs/protocol.md, "Tracer frames").

Used on both sides of the socket, so it imports neither BCC nor Flask.
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
KIND_JSON, KIND_BATCH, KIND_SNAPSHOT = 1, 2, 3
MAX_BODY_BYTES = 64 << 20
FLUSH_TIMEOUT_S = 10.0  # without progress
_INT_BYTES = struct.calcsize("i")
MAX_DESCRIPTORS = 128  # with one frame; the kernel takes 253 (SCM_MAX_FD)
_BUFFER_BYTES = 1 << 16


@dataclass(frozen=True)
class TracerRequest:
    """Everything a tracer needs. `run` distinguishes the starts of a probe.

    `function` is the kernel's own symbol, or a description of the tracepoints. `plan` is an
    app.columns.plan.Plan as JSON. `where` is what the programs test at first beside `filter` (a
    KernelFilter of app.filters as JSON); None is nothing.
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
    plan: dict[str, Any]
    where: dict[str, Any] | None = None

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> TracerRequest:
        """Parse a line; raises ValueError, TypeError or KeyError if the two sides do not match."""
        members: dict[str, Any] = json.loads(line)
        members["filter"] = Filter(**members["filter"])
        return cls(**members)


class ServiceGoneError(Exception):
    """The service closed its end or no longer reads."""


class Outbox:
    """A queue of frames to the service, sent without blocking."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._queue: deque[memoryview] = deque()
        self._descriptors: dict[int, Sequence[int]] = {}  # by the id of the part they go with
        self.queued_bytes = 0

    def message(self, members: dict[str, Any]) -> None:
        """Queue a control message."""
        body = json.dumps(members).encode()
        self._add(HEADER.pack(len(body), KIND_JSON, 0) + body)

    def maps(self, members: dict[str, Any], descriptors: Sequence[int]) -> None:
        """Queue the message `maps` with the descriptors it names, open until it is sent."""
        body = json.dumps(members).encode()
        self._add(HEADER.pack(len(body), KIND_JSON, 0) + body)
        self._descriptors[id(self._queue[-1])] = descriptors

    def batch(self, rows: int, data: bytes) -> None:
        """Queue a batch."""
        self._add(HEADER.pack(len(data), KIND_BATCH, rows), data)

    def snapshot(self, rows: int, data: bytes) -> None:
        """Queue what was counted so far."""
        self._add(HEADER.pack(len(data), KIND_SNAPSHOT, rows), data)

    def _add(self, *parts: bytes) -> None:
        for part in parts:
            self._queue.append(memoryview(part))
            self.queued_bytes += len(part)

    def send(self) -> None:
        """Send what the socket accepts now. Raises ServiceGoneError."""
        while self._queue:
            part = self._queue[0]
            try:
                sent = self._send(part, self._descriptors.get(id(part), ()))
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                raise ServiceGoneError from None
            self._descriptors.pop(id(part), None)
            self.queued_bytes -= sent
            if sent == len(part):
                self._queue.popleft()
            else:
                self._queue[0] = part[sent:]

    def _send(self, part: memoryview, descriptors: Sequence[int]) -> int:
        flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
        if descriptors:
            return socket.send_fds(self._socket, [part], list(descriptors), flags)
        return self._socket.send(part, flags)

    def flush(self) -> None:
        """Send everything, waiting for the service to read it. Raises ServiceGoneError."""
        while self.queued_bytes:
            if not select.select([], [self._socket], [], FLUSH_TIMEOUT_S)[1]:
                raise ServiceGoneError
            self.send()


def send_maps(sock: socket.socket, members: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Send the tracer's first frame with the descriptors it names (unix(7), SCM_RIGHTS).

    Blocks until the socket has accepted all of it. Raises ServiceGoneError.
    """
    body = json.dumps(members).encode()
    frame = HEADER.pack(len(body), KIND_JSON, 0) + body
    try:
        sent = socket.send_fds(sock, [frame], list(descriptors), socket.MSG_NOSIGNAL)
        sock.sendall(frame[sent:], socket.MSG_NOSIGNAL)
    except (BrokenPipeError, ConnectionResetError):
        raise ServiceGoneError from None


class FrameError(Exception):
    """Malformed frame from a tracer; nothing after it can be trusted."""


class TruncatedFrameError(FrameError):
    """End of file within a frame, whose content is lost; nothing is malformed."""


def read_frames(
    sock: socket.socket, descriptors: list[int] | None = None
) -> Iterator[tuple[int, int, bytes]]:
    """Yield (kind, rows, body) of each frame until end of file. Raises FrameError, OSError.

    Descriptors that come with a frame are appended to `descriptors` before it is yielded, for the
    caller to close; with later frames' they may come earlier, in order. Without that list none are
    accepted.
    """
    if descriptors is None:
        with sock.makefile("rb", buffering=1 << 16) as stream:
            while frame := _read_frame(lambda size: _read(stream, size)):
                yield frame
        return
    reader = _Reader(sock, descriptors)
    while frame := _read_frame(reader.read):
        yield frame


class _Reader:
    """Buffered reading of a socket, with descriptors."""

    def __init__(self, sock: socket.socket, descriptors: list[int]) -> None:
        self._socket, self._descriptors = sock, descriptors
        self._buffer = b""
        self._at = 0  # where in it what has not been read begins

    def read(self, size: int) -> bytes:
        """Return `size` bytes, or less at end of file. Raises OSError."""
        data = self._buffer[self._at : self._at + size]
        self._at += len(data)
        if len(data) == size:
            return data
        parts, missing = [data], size - len(data)
        while missing:
            received = _receive(self._socket, max(missing, _BUFFER_BYTES), self._descriptors)
            if not received:
                break
            parts.append(received[:missing])
            if len(received) > missing:
                self._buffer, self._at = received, missing
            missing -= len(parts[-1])
        return b"".join(parts)


def _read_frame(read: Callable[[int], bytes]) -> tuple[int, int, bytes] | None:
    """Read the next frame, None at end of file. `read` returns less than asked only at the end."""
    header = read(HEADER.size)
    if not header:
        return None
    if len(header) < HEADER.size:
        raise TruncatedFrameError("end of file within a frame's header")
    size, kind, rows = HEADER.unpack(header)
    if kind not in (KIND_JSON, KIND_BATCH, KIND_SNAPSHOT) or size > MAX_BODY_BYTES:
        raise FrameError(f"invalid frame header: kind {kind}, {size} bytes")
    body = read(size)
    if len(body) < size:
        raise TruncatedFrameError("end of file within a frame")
    return kind, rows, body


def _read(stream: io.IOBase, size: int) -> bytes:
    try:
        return bytes(stream.read(size))
    except ConnectionResetError:
        return b""  # as below


def _receive(sock: socket.socket, size: int, descriptors: list[int]) -> bytes:
    """Read up to `size` bytes, nothing at end of file, and the descriptors that come with them."""
    try:
        data, ancillary, flags, _ = sock.recvmsg(
            size, socket.CMSG_SPACE(MAX_DESCRIPTORS * _INT_BYTES), socket.MSG_CMSG_CLOEXEC
        )
    except ConnectionResetError:
        # The peer closed its end without having read everything. What it sent was delivered
        # before this error (unix_stream_read_generic, net/unix/af_unix.c).
        return b""
    for level, kind, numbers in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            whole = len(numbers) // _INT_BYTES * _INT_BYTES
            descriptors.extend(memoryview(numbers[:whole]).cast("i"))
    if flags & socket.MSG_CTRUNC:
        raise OSError(
            errno.EMFILE, "too many open files to receive the descriptors of a tracer's maps"
        )
    return data
