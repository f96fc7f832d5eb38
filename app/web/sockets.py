# SPDX-License-Identifier: Apache-2.0
"""The sockets of websockets and streams: bounded waits, whole frames, and the peer's name."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

# A client whose kernel takes nothing for this long is dropped. Not sooner: once its receive buffer
# was full, it opens again only when a sixteenth of it has been read (Linux, __tcp_select_window),
# 400 kB of the usual 6 MB. With 8 s, a client that steadily read 100 kB/s was dropped where buffers
# grow to 32 MB.
STALLED_AFTER_S = 30
# A websocket's client need only answer pings. It is read at a bounded rate, after a first burst:
# each frame is parsed in Python, and may be as small as a few bytes.
HEARD_AT_ONCE_BYTES = 256 * 1024
HEARD_BYTES_S = 64 * 1024
FINAL_BINARY = 0x82  # FIN and opcode


def bound_waits(connection: socket.socket) -> None:
    """Bound each send to `STALLED_AFTER_S`, for clients that do not read.

    SO_SNDTIMEO ends a blocked send; a close by another thread does not. OpenSSL would retry it,
    so TLS uses Python's socket time-out. TCP_USER_TIMEOUT ends the connection, also when the peer
    has vanished without closing it.
    """
    if isinstance(connection, ssl.SSLSocket):
        connection.settimeout(STALLED_AFTER_S)
    else:
        timeval = struct.pack("ll", STALLED_AFTER_S, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    bound_silence(connection)


def bound_silence(connection: socket.socket) -> None:
    """Have the kernel drop the connection when sent data is not acknowledged in time (tcp(7))."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_AFTER_S * 1000)


def peer_name(connection: socket.socket) -> str:
    """Return the peer's address: `127.0.0.1:40412`, `[::1]:40412`."""
    address, port = connection.getpeername()[:2]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def has_left(connection: socket.socket) -> bool:
    """Return whether the client has closed its side, without reading what it may have sent."""
    left = select.POLLRDHUP | select.POLLHUP | select.POLLERR
    return bool(_wait(connection, select.POLLRDHUP, 0) & left)


def hang_up(connection: socket.socket) -> None:
    """Shut down both directions, which also wakes threads that wait on the socket.

    Of the TCP connection, below TLS: SSLSocket.shutdown drops its TLS state, which another thread
    may be using.
    """
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass  # closed already


def _wait(connection: socket.socket, events: int, timeout_s: float | None) -> int:
    """Return the poll events that occurred in time; 0 for none."""
    poll = select.poll()
    poll.register(connection, events)
    found = poll.poll(None if timeout_s is None else timeout_s * 1000)
    return found[0][1] if found else 0


def binary_head(size_bytes: int) -> bytes:
    """Return the frame header of a server's unfragmented binary message (RFC 6455, 5.2)."""
    if size_bytes < 126:
        return struct.pack("!BB", FINAL_BINARY, size_bytes)
    if size_bytes < 1 << 16:
        return struct.pack("!BBH", FINAL_BINARY, 126, size_bytes)
    return struct.pack("!BBQ", FINAL_BINARY, 127, size_bytes)


class FrameSocket:
    """What simple-websocket uses as its socket: `send`, `recv`, `close`.

    It calls `socket.send`, which may write a part only, from several threads (data, pings, the
    reply to a close), while another thread reads. Here each `send` writes one whole frame under a
    lock. A second lock is held during each call but never while waiting: only one thread at a time
    may use a TLS connection (SSL_read(3) and SSL_write(3) share its state). The worker
    owns the socket and closes it: `close` here only shuts it down.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.setblocking(False)
        self._sending = threading.Lock()
        self._using = threading.Lock()  # never held while waiting for the client
        # More data follows: send no packet for the header alone. TLS has no such flag.
        self._more = 0 if isinstance(connection, ssl.SSLSocket) else socket.MSG_MORE
        self.lost = False  # a frame was cut off: nothing can be sent after it
        self.heard_at_s = time.monotonic()
        self._allowed_bytes: float = HEARD_AT_ONCE_BYTES
        self._closed = threading.Event()

    def send(self, frame: bytes) -> int:
        """Write a frame; set `lost` rather than raise when the client is lost.

        simple-websocket calls it where an exception would count as a defect.
        """
        with self._sending:
            if not self.lost:
                try:
                    self._send_whole(memoryview(frame))
                except OSError:
                    self.lost = True
                    hang_up(self._connection)
        return len(frame)

    def send_binary(self, data: bytes) -> None:
        """Write a binary message as one frame; set `lost` as above.

        `data` goes to the kernel without a copy; wsproto would copy it five times per client.
        """
        with self._sending:
            if not self.lost:
                try:
                    self._send_whole(memoryview(binary_head(len(data))), self._more)
                    self._send_whole(memoryview(data))
                except OSError:
                    self.lost = True
                    hang_up(self._connection)

    def recv(self, size: int) -> bytes:
        data: bytes = self._retry(lambda: self._connection.recv(size), select.POLLIN, None)
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
            sent = self._retry(
                lambda: self._connection.send(rest, flags),  # noqa: B023  called before the next turn
                select.POLLOUT,
                STALLED_AFTER_S,
            )
            rest = rest[sent:]

    def _retry(self, call: Callable[[], Any], events: int, timeout_s: float | None) -> Any:
        """Make the call when the socket is ready for it; raise TimeoutError, or what it raises."""
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
                raise TimeoutError("the client does not read")
