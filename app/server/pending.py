# SPDX-License-Identifier: Apache-2.0
"""Connections that hold no thread: while a request comes, while an answer goes, and at the end.

gunicorn 27 polls a new connection until its first byte, and a kept one until its next request.
From then on a thread reads, and writes, for as long as the client takes: a byte a minute is
enough to keep it. So what comes is gathered here, and what a client does not take waits here, at
the main thread's poller: for a bounded time, in bounded memory, and when there are too many
the oldest goes. A thread of the pool is for a request that is there, and never waits for a client.
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

from gunicorn.sock import ssl_wrap_socket
from gunicorn.workers.gthread import TConn

from app.errors import ProbedeckError
from app.server.incoming import PIECE_BYTES, Incoming

REQUEST_S = 10.0  # from a request's first byte to its last; and from a connection to its first
LINGER_S = 2.0
LINGER_BYTES = 64 * 1024
DISCARD_BYTES = 64 * 1024
EXPIRE_EVERY_S = 0.5
STALLED_S = 8.0  # of an answer nothing was taken
SLOWEST_BYTES_S = 16 * 1024  # who takes less than this, on the whole, is dropped
MOST_UNSENT_BYTES = 64 * 1024 * 1024  # of all answers together
SEND_BYTES = 256 * 1024  # for one client before others have their turn

Ready = Callable[[TConn, bytes, bool], None]
Refuse = Callable[[TConn, Exception], None]
Sent = Callable[[TConn, bool], None]
Gone = Callable[[TConn], None]
RETRY = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Phase(Enum):
    RECEIVING = "a request comes"
    SENDING = "an answer goes"
    LEAVING = "answered for the last time; what still comes is thrown away"


@dataclass(eq=False)
class _Place:
    """One connection."""

    conn: TConn
    descriptor: int
    phase: Phase
    until_s: float
    incoming: Incoming = field(default_factory=Incoming)
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    is_kept: bool = False  # after the answer
    taken_s: float = 0.0  # when the client last took something of the answer
    unread_bytes: int = LINGER_BYTES


class Waiting:
    """All of them. For gunicorn's main thread only.

    `ready` is called with a connection, what has come, and whether the client has ended its side
    before all had; `refuse` with one to refuse, and why; `sent` when an answer is out, and whether
    the connection goes on; `gone` with one that is over.
    """

    def __init__(
        self,
        poller: selectors.BaseSelector,
        most: int,
        *,
        ready: Ready,
        refuse: Refuse,
        sent: Sent,
        gone: Gone,
    ) -> None:
        self._poller, self._most = poller, most
        self._ready, self._refuse, self._sent, self._gone = ready, refuse, sent, gone
        self._places: dict[_Place, None] = {}  # the oldest first
        self._unsent_bytes = 0
        self._expired_s = 0.0

    def receive_head(self, conn: TConn, received: bytes, within_s: float) -> None:
        """Wait for a request, of which `received` is there already."""
        self._receive_into(conn, Incoming(), received, within_s)

    def receive_body(self, conn: TConn, missing_bytes: int) -> None:
        """Wait for the rest of a body."""
        self._receive_into(conn, Incoming(missing_bytes), b"", REQUEST_S)

    def send(self, conn: TConn, unsent: memoryview, is_kept: bool) -> None:
        """Wait until the client takes the rest of an answer."""
        now_s = time.monotonic()
        until_s = now_s + STALLED_S + len(unsent) / SLOWEST_BYTES_S
        place = self._enter(conn, Phase.SENDING, until_s, selectors.EVENT_WRITE)
        if place is None:
            return
        place.unsent, place.is_kept, place.taken_s = unsent, is_kept, now_s
        self._unsent_bytes += len(unsent)
        while self._unsent_bytes > MOST_UNSENT_BYTES:
            sending = [each for each in self._places if each.phase is Phase.SENDING]
            self._close(min(sending, key=lambda each: each.taken_s))

    def part(self, conn: TConn) -> None:
        """Close our half and wait a little for the client's (RFC 9112, 9.6).

        Closing at once would have the kernel reset the connection when something is unread, and
        the client lose the answer. gunicorn does the same in a thread, which waits.
        """
        try:
            conn.sock.setblocking(False)
            if isinstance(conn.sock, ssl.SSLSocket):
                _say_all_was_sent(conn.sock)
            # Of TCP from here on: what a client still sends is thrown away as it comes.
            socket.socket.shutdown(conn.sock, socket.SHUT_WR)
        except (OSError, ValueError):
            self._gone(conn)
            return
        self._enter(conn, Phase.LEAVING, time.monotonic() + LINGER_S)

    def expire(self) -> None:
        """Drop those whose time is over; to be called often."""
        now_s = time.monotonic()
        if now_s - self._expired_s < EXPIRE_EVERY_S:
            return
        self._expired_s = now_s
        for place in list(self._places):
            if place.phase is Phase.SENDING and now_s - place.taken_s > STALLED_S:
                self._close(place)
            elif place.until_s > now_s:
                continue
            elif place.phase is Phase.RECEIVING and (place.incoming.data or place.incoming.is_body):
                detail = f"Request not received within {REQUEST_S:g} s."
                self._turn_away(place, ProbedeckError(408, "too_slow", detail))
            else:
                self._close(place)

    def close_all(self) -> None:
        for place in list(self._places):
            self._close(place)

    # --- Coming and going ---

    def _receive_into(
        self, conn: TConn, incoming: Incoming, received: bytes, within_s: float
    ) -> None:
        try:
            if conn.cfg.is_ssl and not isinstance(conn.sock, ssl.SSLSocket):
                conn.sock.setblocking(False)
                conn.sock = ssl_wrap_socket(conn.sock, conn.cfg)  # the handshake comes by reading
        except (OSError, ValueError):  # reset, or closed
            self._gone(conn)
            return
        until_s = time.monotonic() + (REQUEST_S if received else within_s)
        place = self._enter(conn, Phase.RECEIVING, until_s)
        if place is None:
            return
        place.incoming = incoming
        if received and not self._add(place, received):
            return
        # TLS may hold what came behind the last request, which the poller does not see.
        self._receive(place)

    def _enter(
        self, conn: TConn, phase: Phase, until_s: float, events: int = selectors.EVENT_READ
    ) -> _Place | None:
        """Poll a connection; None when it is gone."""
        try:
            conn.sock.setblocking(False)
            place = _Place(conn, conn.sock.fileno(), phase, until_s)
            self._poller.register(place.descriptor, events, lambda _fd: self._on_event(place))
        except (OSError, ValueError):
            self._gone(conn)
            return None
        self._places[place] = None
        if len(self._places) > self._most:
            self._close(next(iter(self._places)))
        return place

    def _leave(self, place: _Place) -> None:
        self._poller.unregister(place.descriptor)
        del self._places[place]
        self._unsent_bytes -= len(place.unsent)

    def _close(self, place: _Place) -> None:
        self._leave(place)
        if place.unsent:
            reset_on_close(place.conn.sock)
        self._gone(place.conn)

    def _turn_away(self, place: _Place, why: Exception) -> None:
        self._leave(place)
        self._refuse(place.conn, why)

    def _on_event(self, place: _Place) -> None:
        if place not in self._places:
            return  # it made room for another, in the same round of the poller
        if place.phase is Phase.RECEIVING:
            self._receive(place)
        elif place.phase is Phase.SENDING:
            self._send(place)
        else:
            self._discard(place)

    # --- In each phase ---

    def _receive(self, place: _Place) -> None:
        """Take what is there, until it is a request."""
        while True:
            try:
                data = place.conn.sock.recv(PIECE_BYTES)
            except RETRY:
                return  # that is all for now
            except ssl.SSLError as error:
                self._turn_away(place, error)
                return
            except OSError:
                self._close(place)
                return
            if not data:
                self._end_of_file(place)
                return
            if not place.incoming.data and not place.incoming.is_body:
                place.until_s = time.monotonic() + REQUEST_S
            if not self._add(place, data):
                return

    def _add(self, place: _Place, data: bytes) -> bool:
        """Take what came; whether more is waited for."""
        try:
            place.incoming.add(data)
        except ProbedeckError as error:
            self._turn_away(place, error)
            return False
        if place.incoming.is_whole:
            self._leave(place)
            self._ready(place.conn, bytes(place.incoming.data), False)
            return False
        return True

    def _end_of_file(self, place: _Place) -> None:
        if place.incoming.data or place.incoming.is_body:
            self._leave(place)
            self._ready(place.conn, bytes(place.incoming.data), True)
        else:
            self._close(place)

    def _send(self, place: _Place) -> None:
        before = len(place.unsent)
        try:
            place.unsent = send_some(place.conn.sock, place.unsent)
        except OSError:
            self._close(place)
            return
        sent = before - len(place.unsent)
        self._unsent_bytes -= sent
        if sent:
            place.taken_s = time.monotonic()
        if not place.unsent:
            self._leave(place)
            self._sent(place.conn, place.is_kept)

    def _discard(self, place: _Place) -> None:
        try:
            data = socket.socket.recv(place.conn.sock, DISCARD_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        place.unread_bytes -= len(data)
        if not data or place.unread_bytes <= 0:
            self._close(place)


def reset_on_close(connection: socket.socket) -> None:
    """Have the kernel forget what a client has not taken, and tell it so, rather than wait."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass  # gone already


def send_some(connection: socket.socket, data: memoryview) -> memoryview:
    """Send what a socket that does not block takes, within bounds; what is left. Raises OSError."""
    allowed = SEND_BYTES
    try:
        while data and allowed > 0:
            sent = connection.send(data[:SEND_BYTES])
            data, allowed = data[sent:], allowed - sent
    except RETRY:
        pass
    return data


def _say_all_was_sent(connection: ssl.SSLSocket) -> None:
    """TLS's own end (close_notify), without which an answer could have been cut short."""
    try:
        connection.unwrap()
    except (OSError, ValueError):
        pass  # sent, and the client's own has not come yet; or gone, or there was no handshake
