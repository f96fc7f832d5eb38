"""The raw socket of a websocket or stream: bounded waits, whole frames, and who is at the end."""

from __future__ import annotations

import socket
import struct
import threading
import time

# A client that takes nothing for this long is dropped.
STALLED_AFTER_S = 10


def bound_waits(connection: socket.socket) -> None:
    """Let no send wait longer than `STALLED_AFTER_S` for a client that does not read.

    SO_SNDTIMEO frees a blocked send, which neither a ping nor another thread's close does;
    TCP_USER_TIMEOUT ends the connection itself, also when the peer is gone without a word.
    """
    timeval = struct.pack("ll", STALLED_AFTER_S, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_AFTER_S * 1000)


def peer_name(connection: socket.socket) -> str:
    """`127.0.0.1:40412`, `[::1]:40412`."""
    address, port = connection.getpeername()[:2]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def has_left(connection: socket.socket) -> bool:
    """Whether the client has closed its end, seen without reading what it may have sent."""
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def hang_up(connection: socket.socket) -> None:
    """End the connection in both directions, which also frees whoever waits on it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other end was faster


class FrameSocket:
    """What simple-websocket takes for its socket: `send`, `recv`, `close`.

    It writes from several threads (data, pings, the answer to a close) with `socket.send`,
    which may write a part only. Here each call is one whole frame under one lock. The
    socket belongs to gunicorn, which closes it: `close` here only hangs up.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.lost = False  # a frame could not be written whole: nothing more can be
        self.heard_at_s = time.monotonic()

    def send(self, frame: bytes) -> int:
        """Write a frame. Does not raise when the client is lost, but says so in `lost`:
        simple-websocket calls from places where an exception would be taken for a defect."""
        with self._lock:
            if not self.lost:
                try:
                    self._connection.sendall(frame)
                except OSError:
                    self.lost = True
                    hang_up(self._connection)
        return len(frame)

    def recv(self, size: int) -> bytes:
        data = self._connection.recv(size)
        self.heard_at_s = time.monotonic()
        return data

    def close(self) -> None:
        hang_up(self._connection)
