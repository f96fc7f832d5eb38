# SPDX-License-Identifier: Apache-2.0
"""Connections that hold no thread: receiving a request, sending a response, or closing.

gunicorn 27 polls a new connection until its first byte, and an idle one until its next request.
From then on a thread reads and writes for as long as the client takes: one byte a minute is
enough to hold it. Here requests are received, and what a client does not take of a response is
sent, by the main thread's poller: in bounded time and memory, and beyond a number of connections
the oldest is dropped. A thread of the pool gets complete requests only, and never waits for a
client.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from app.errors import ProbedeckError
from app.server.exchange import Connection
from app.server.gunicorn_api import ssl_wrap_socket
from app.server.incoming import RECEIVE_BYTES, IncomingRequest
from app.web.sockets import STALLED_AFTER_S

REQUEST_S = 10.0  # from a request's first byte to its last; and from accept() to the first byte
LINGER_S = 2.0
LINGER_BYTES = 64 * 1024
DISCARD_BYTES = 64 * 1024
EXPIRE_EVERY_S = 0.5
MIN_BYTES_S = 16 * 1024  # a client that takes less, on average, is dropped
MAX_UNSENT_BYTES = 64 * 1024 * 1024  # of all responses together
SEND_BYTES = 256 * 1024  # to one client before the others have their turn
RETRY = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Phase(Enum):
    RECEIVING = "a request is being received"
    SENDING = "a response is being sent"
    CLOSING = "after the last response: what the client still sends is discarded"


@dataclass(eq=False)
class PendingConnection:
    """One connection and its deadline."""

    conn: Connection
    descriptor: int
    phase: Phase
    until_s: float
    incoming: IncomingRequest = field(default_factory=IncomingRequest)
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    is_kept: bool = False  # open after the response
    taken_at_s: float = 0.0  # when the client last took a part of the response
    unread_bytes: int = LINGER_BYTES


class PendingConnections:
    """All pending connections. For gunicorn's main thread only.

    When a connection needs this class no longer, it calls one of these:

    `on_request`  with the received bytes, and whether the client ended its side before all came
    `on_refusal`  with the reason why the request is refused
    `on_sent`     when a response is sent, with whether the connection is kept open
    `on_lost`     when the connection is over
    """

    def __init__(
        self,
        poller: selectors.BaseSelector,
        max_count: int,
        *,
        on_request: Callable[[Connection, bytes, bool], None],
        on_refusal: Callable[[Connection, Exception], None],
        on_sent: Callable[[Connection, bool], None],
        on_lost: Callable[[Connection], None],
    ) -> None:
        self._poller, self._max_count = poller, max_count
        self._on_request, self._on_refusal = on_request, on_refusal
        self._on_sent, self._on_lost = on_sent, on_lost
        self._pending: dict[PendingConnection, None] = {}  # the oldest first
        self._unsent_bytes = 0
        self._expired_at_s = 0.0

    def receive_head(self, conn: Connection, received: bytes, within_s: float) -> None:
        """Wait for a request whose first bytes, `received`, may be there already."""
        self._start_receiving(conn, IncomingRequest(), received, within_s)

    def receive_body(self, conn: Connection, missing_bytes: int) -> None:
        """Wait for the rest of a body."""
        self._start_receiving(conn, IncomingRequest(missing_bytes), b"", REQUEST_S)

    def send(self, conn: Connection, unsent: memoryview, is_kept: bool) -> None:
        """Send the rest of a response as the client takes it."""
        now_s = time.monotonic()
        until_s = now_s + STALLED_AFTER_S + len(unsent) / MIN_BYTES_S
        pending = self._enter(conn, Phase.SENDING, until_s, selectors.EVENT_WRITE)
        if pending is None:
            return
        pending.unsent, pending.is_kept, pending.taken_at_s = unsent, is_kept, now_s
        self._unsent_bytes += len(unsent)
        while self._unsent_bytes > MAX_UNSENT_BYTES:
            sending = [each for each in self._pending if each.phase is Phase.SENDING]
            self._close(min(sending, key=lambda each: each.taken_at_s))

    def close_gracefully(self, conn: Connection) -> None:
        """Shut down our side, then wait a little for the client to close (RFC 9112, 9.6).

        On close(2) with unread data the kernel resets the connection, and the client may lose the
        response. gunicorn does the same as this, in a thread that waits.
        """
        try:
            conn.sock.setblocking(False)
            if isinstance(conn.sock, ssl.SSLSocket):
                _send_close_notify(conn.sock)
            # Plain TCP from here on: what the client still sends is discarded as received.
            socket.socket.shutdown(conn.sock, socket.SHUT_WR)
        except (OSError, ValueError):
            self._on_lost(conn)
            return
        self._enter(conn, Phase.CLOSING, time.monotonic() + LINGER_S)

    def expire(self) -> None:
        """Drop the connections whose time is over. Call it often."""
        now_s = time.monotonic()
        if now_s - self._expired_at_s < EXPIRE_EVERY_S:
            return
        self._expired_at_s = now_s
        for pending in list(self._pending):
            if pending.phase is Phase.SENDING and now_s - pending.taken_at_s > STALLED_AFTER_S:
                self._close(pending)
            elif pending.until_s > now_s:
                continue
            elif pending.phase is Phase.RECEIVING and pending.incoming.has_begun:
                detail = f"Request not received within {REQUEST_S:g} s."
                self._refuse(pending, ProbedeckError(408, "too_slow", detail))
            else:
                self._close(pending)

    def close_all(self) -> None:
        for pending in list(self._pending):
            self._close(pending)

    # --- The set of pending connections ---

    def _start_receiving(
        self, conn: Connection, incoming: IncomingRequest, received: bytes, within_s: float
    ) -> None:
        try:
            if conn.cfg.is_ssl and not isinstance(conn.sock, ssl.SSLSocket):
                conn.sock.setblocking(False)
                conn.sock = ssl_wrap_socket(conn.sock, conn.cfg)  # recv() makes the handshake
        except (OSError, ValueError):  # reset, or closed
            self._on_lost(conn)
            return
        until_s = time.monotonic() + (REQUEST_S if received else within_s)
        pending = self._enter(conn, Phase.RECEIVING, until_s)
        if pending is None:
            return
        pending.incoming = incoming
        if received and not self._add(pending, received):
            return
        # OpenSSL may have read beyond the last request, which the poller does not see.
        self._receive(pending)

    def _enter(
        self, conn: Connection, phase: Phase, until_s: float, events: int = selectors.EVENT_READ
    ) -> PendingConnection | None:
        """Poll a connection; return None if it is closed already."""
        try:
            conn.sock.setblocking(False)
            pending = PendingConnection(conn, conn.sock.fileno(), phase, until_s)
            self._poller.register(pending.descriptor, events, lambda _fd: self._on_event(pending))
        except (OSError, ValueError):
            self._on_lost(conn)
            return None
        self._pending[pending] = None
        if len(self._pending) > self._max_count:
            self._close(next(iter(self._pending)))
        return pending

    def _leave(self, pending: PendingConnection) -> None:
        self._poller.unregister(pending.descriptor)
        del self._pending[pending]
        self._unsent_bytes -= len(pending.unsent)

    def _close(self, pending: PendingConnection) -> None:
        self._leave(pending)
        if pending.unsent:
            reset_on_close(pending.conn.sock)
        self._on_lost(pending.conn)

    def _refuse(self, pending: PendingConnection, why: Exception) -> None:
        self._leave(pending)
        self._on_refusal(pending.conn, why)

    def _on_event(self, pending: PendingConnection) -> None:
        if pending not in self._pending:
            return  # dropped in the same round of the poller, to make room for another
        if pending.phase is Phase.RECEIVING:
            self._receive(pending)
        elif pending.phase is Phase.SENDING:
            self._send(pending)
        else:
            self._discard(pending)

    # --- In each phase ---

    def _receive(self, pending: PendingConnection) -> None:
        """Read until the request is complete or nothing more has arrived."""
        while True:
            try:
                data = pending.conn.sock.recv(RECEIVE_BYTES)
            except RETRY:
                return  # nothing more has arrived
            except ssl.SSLError as error:
                self._refuse(pending, error)
                return
            except OSError:
                self._close(pending)
                return
            if not data:
                self._end_of_file(pending)
                return
            if not pending.incoming.has_begun:
                pending.until_s = time.monotonic() + REQUEST_S
            if not self._add(pending, data):
                return

    def _add(self, pending: PendingConnection, data: bytes) -> bool:
        """Append received data; return whether to continue reading."""
        try:
            pending.incoming.add(data)
        except ProbedeckError as error:
            self._refuse(pending, error)
            return False
        if pending.incoming.is_complete:
            self._leave(pending)
            self._on_request(pending.conn, bytes(pending.incoming.data), False)
            return False
        return True

    def _end_of_file(self, pending: PendingConnection) -> None:
        if pending.incoming.has_begun:
            self._leave(pending)
            self._on_request(pending.conn, bytes(pending.incoming.data), True)
        else:
            self._close(pending)

    def _send(self, pending: PendingConnection) -> None:
        before = len(pending.unsent)
        try:
            pending.unsent = send_some(pending.conn.sock, pending.unsent)
        except OSError:
            self._close(pending)
            return
        sent = before - len(pending.unsent)
        self._unsent_bytes -= sent
        if sent:
            pending.taken_at_s = time.monotonic()
        if not pending.unsent:
            self._leave(pending)
            self._on_sent(pending.conn, pending.is_kept)

    def _discard(self, pending: PendingConnection) -> None:
        try:
            data = socket.socket.recv(pending.conn.sock, DISCARD_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        pending.unread_bytes -= len(data)
        if not data or pending.unread_bytes <= 0:
            self._close(pending)


def reset_on_close(connection: socket.socket) -> None:
    """Have close(2) discard what the client has not taken, and reset the connection."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass  # reset by the client


def send_some(connection: socket.socket, data: memoryview) -> memoryview:
    """Send to a non-blocking socket, up to SEND_BYTES or so; return the rest. Raises OSError."""
    allowed = SEND_BYTES
    try:
        while data and allowed > 0:
            sent = connection.send(data[:SEND_BYTES])
            data, allowed = data[sent:], allowed - sent
    except RETRY:
        pass
    return data


def _send_close_notify(connection: ssl.SSLSocket) -> None:
    """Send close_notify: without it a TLS client cannot tell the end from a truncation."""
    try:
        connection.unwrap()
    except (OSError, ValueError):
        pass  # sent, but not received yet from the client; or reset, or no handshake was made
