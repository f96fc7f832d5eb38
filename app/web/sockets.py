# SPDX-License-Identifier: Apache-2.0
"""The raw socket of a websocket or stream: bounded waits, whole frames, and who is at the end."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

# A client that takes nothing for this long is dropped.
STALLED_AFTER_S = 8
# Of what a websocket's client sends, which is answers to pings, so much is read at once, and then
# so much a second: each frame, of a few bytes if it likes, is taken apart in Python.
HEARD_AT_ONCE_BYTES = 256 * 1024
HEARD_BYTES_S = 64 * 1024
FINAL_BINARY = 0x82  # FIN and opcode


def bound_waits(connection: socket.socket) -> None:
    """Let no send wait longer than `STALLED_AFTER_S` for a client that does not read.

    SO_SNDTIMEO frees a blocked send, which neither a ping nor another thread's close does, and
    which OpenSSL would only try again: there the socket's own time-out is used. TCP_USER_TIMEOUT
    ends the connection itself, also when the peer is gone without a word.
    """
    if isinstance(connection, ssl.SSLSocket):
        connection.settimeout(STALLED_AFTER_S)
    else:
        timeval = struct.pack("ll", STALLED_AFTER_S, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    bound_silence(connection)


def bound_silence(connection: socket.socket) -> None:
    """Have the kernel end the connection when what was sent is not taken in time (tcp(7))."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_AFTER_S * 1000)


def peer_name(connection: socket.socket) -> str:
    """`127.0.0.1:40412`, `[::1]:40412`."""
    address, port = connection.getpeername()[:2]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def has_left(connection: socket.socket) -> bool:
    """Whether the client has closed its end, seen without reading what it may have sent."""
    left = select.POLLRDHUP | select.POLLHUP | select.POLLERR
    return bool(_wait(connection, select.POLLRDHUP, 0) & left)


def hang_up(connection: socket.socket) -> None:
    """End the connection in both directions, which also frees whoever waits on it.

    That of TCP, also below TLS: an SSLSocket would forget, under another thread's hands, that
    it is one.
    """
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass  # the other end was faster


def _wait(connection: socket.socket, events: int, timeout_s: float | None) -> int:
    """The poll events that came in time; 0 for none."""
    poll = select.poll()
    poll.register(connection, events)
    found = poll.poll(None if timeout_s is None else timeout_s * 1000)
    return found[0][1] if found else 0


def binary_head(size_bytes: int) -> bytes:
    """What stands before the data of a server's unfragmented binary message (RFC 6455, 5.2)."""
    if size_bytes < 126:
        return struct.pack("!BB", FINAL_BINARY, size_bytes)
    if size_bytes < 1 << 16:
        return struct.pack("!BBH", FINAL_BINARY, 126, size_bytes)
    return struct.pack("!BBQ", FINAL_BINARY, 127, size_bytes)


class FrameSocket:
    """What simple-websocket takes for its socket: `send`, `recv`, `close`.

    It writes from several threads (data, pings, the answer to a close) with `socket.send`,
    which may write a part only, while another thread reads. Here each `send` is one whole frame
    under one lock, and nobody waits within the other: a TLS connection can be used by
    one thread at a time (SSL_read(3) and SSL_write(3) share its state). The socket belongs to
    gunicorn, which closes it: `close` here only hangs up.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.setblocking(False)
        self._sending = threading.Lock()
        self._using = threading.Lock()  # never held while waiting for the client
        # More follows at once: no packet for the head alone. TLS has no such flag.
        self._more = 0 if isinstance(connection, ssl.SSLSocket) else socket.MSG_MORE
        self.lost = False  # a frame could not be written whole: nothing more can be
        self.heard_at_s = time.monotonic()
        self._allowed_bytes: float = HEARD_AT_ONCE_BYTES
        self._closed = threading.Event()

    def send(self, frame: bytes) -> int:
        """Write a frame. Does not raise when the client is lost, but says so in `lost`:
        simple-websocket calls from places where an exception would be taken for a defect."""
        with self._sending:
            if not self.lost:
                try:
                    self._send_whole(memoryview(frame))
                except OSError:
                    self.lost = True
                    hang_up(self._connection)
        return len(frame)

    def send_binary(self, data: bytes) -> None:
        """A binary message as one frame; lost clients as above. `data` goes to the kernel as it is:
        wsproto would copy it five times over, for each client."""
        with self._sending:
            if not self.lost:
                try:
                    self._send_whole(memoryview(binary_head(len(data))), self._more)
                    self._send_whole(memoryview(data))
                except OSError:
                    self.lost = True
                    hang_up(self._connection)

    def recv(self, size: int) -> bytes:
        data: bytes = self._patiently(lambda: self._connection.recv(size), select.POLLIN, None)
        now_s = time.monotonic()
        earned = (now_s - self.heard_at_s) * HEARD_BYTES_S
        self._allowed_bytes = min(HEARD_AT_ONCE_BYTES, self._allowed_bytes + earned) - len(data)
        self.heard_at_s = now_s
        if self._allowed_bytes < 0:
            self._closed.wait(-self._allowed_bytes / HEARD_BYTES_S)
        return data

    def close(self) -> None:
        self._closed.set()
        hang_up(self._connection)

    def _send_whole(self, rest: memoryview, flags: int = 0) -> None:
        while rest:
            sent = self._patiently(
                lambda: self._connection.send(rest, flags),  # noqa: B023  called before the next turn
                select.POLLOUT,
                STALLED_AFTER_S,
            )
            rest = rest[sent:]

    def _patiently(self, call: Callable[[], Any], events: int, timeout_s: float | None) -> Any:
        """Make the call until the socket lets it; raises TimeoutError and what the call raises."""
        while True:
            wanted = events
            with self._using:
                try:
                    return call()
                except ssl.SSLWantReadError:
                    wanted = select.POLLIN
                except ssl.SSLWantWriteError:
                    wanted = select.POLLOUT
                except BlockingIOError:
                    pass
            if not _wait(self._connection, wanted, timeout_s):
                raise TimeoutError("the client takes nothing")
