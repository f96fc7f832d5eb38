# SPDX-License-Identifier: Apache-2.0
"""Connections that hold no thread: until a request is whole, and after the last answer.

A thread of the pool is for a request that is there. What comes byte by byte, or not at all, waits
here, at the main thread's poller: for a bounded time, in bounded memory, and when there
are too many the oldest goes. So neither slow nor silent clients keep out others.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gunicorn.sock import ssl_wrap_socket
from gunicorn.workers.gthread import TConn

from app.errors import ProbedeckError
from app.web.arrival import Arrival, arrival

REQUEST_S = 10.0  # from a request's first byte to its last; and from a connection to its first
LINGER_S = 2.0
LINGER_BYTES = 64 * 1024
MAX_BYTES = 128 * 1024  # held of one request that is not whole
RECEIVE_BYTES = 64 * 1024
LOOK_EVERY_S = 0.5
BLANK_LINE = b"\r\n\r\n"
MOST_LOOKS = 64
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PENDING = frozenset({Arrival.HEAD_PENDING, Arrival.BODY_PENDING, Arrival.CONTINUE_PENDING})

Ready = Callable[[TConn, bytes, bool], None]
Answer = Callable[[TConn, Exception], None]
Gone = Callable[[TConn], None]


@dataclass(eq=False)
class _Place:
    """One connection that waits."""

    conn: TConn
    descriptor: int
    until_s: float
    received: bytearray = field(default_factory=bytearray)
    is_leaving: bool = False  # answered for the last time; what still comes is thrown away
    may_send: bool = False  # told to go on with the body
    unread_bytes: int = LINGER_BYTES
    looked_bytes: int = 0  # how much had come when it was last parsed
    look_at_bytes: int = 1  # not before so much has come, unless a blank line has
    looks: int = 0


class Waiting:
    """All of them. For gunicorn's main thread only.

    `ready` is called with a connection, what has come, and whether that is a whole request;
    `answer` with one to refuse, and why; `gone` with one that is over.
    """

    def __init__(
        self,
        poller: selectors.BaseSelector,
        most: int,
        *,
        ready: Ready,
        answer: Answer,
        gone: Gone,
    ) -> None:
        self._poller, self._most = poller, most
        self._ready, self._answer, self._gone = ready, answer, gone
        self._places: dict[_Place, None] = {}  # the oldest first
        self._looked_s = 0.0

    def add(self, conn: TConn, received: bytes, within_s: float) -> None:
        """Wait for a request, of which `received` is there already."""
        try:
            if conn.cfg.is_ssl and not isinstance(conn.sock, ssl.SSLSocket):
                conn.sock.setblocking(False)
                conn.sock = ssl_wrap_socket(conn.sock, conn.cfg)  # the handshake comes by reading
            conn.sock.setblocking(False)
            place = _Place(conn, conn.sock.fileno(), time.monotonic() + within_s)
            self._enter(place)
        except (OSError, ValueError):  # reset meanwhile, or closed
            self._gone(conn)
            return
        if received:
            self._begin(place)
            place.received += received
        # TLS may hold what came behind the last request, which the poller does not see.
        self._receive(place)

    def part(self, conn: TConn) -> None:
        """Close our half and wait a little for the client's (RFC 9112, 9.6).

        Closing at once would have the kernel reset the connection when something is unread, and
        the client lose the answer.
        """
        try:
            conn.sock.setblocking(False)
            if isinstance(conn.sock, ssl.SSLSocket):
                _say_all_was_sent(conn.sock)
            # Of TCP from here on: what a client still sends is thrown away as it comes.
            socket.socket.shutdown(conn.sock, socket.SHUT_WR)
            self._enter(
                _Place(conn, conn.sock.fileno(), time.monotonic() + LINGER_S, is_leaving=True)
            )
        except (OSError, ValueError):
            self._gone(conn)

    def expire(self) -> None:
        """Let go of those whose time is over; to be called often."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = now_s
        for place in [each for each in self._places if each.until_s <= now_s]:
            if place.received and not place.is_leaving:
                self._refuse(
                    place,
                    ProbedeckError(
                        408,
                        "too_slow",
                        f"The request was not there {REQUEST_S:g} s after its start.",
                    ),
                )
            else:
                self._close(place)

    def close_all(self) -> None:
        for place in list(self._places):
            self._close(place)

    def _enter(self, place: _Place) -> None:
        self._poller.register(
            place.descriptor, selectors.EVENT_READ, lambda _descriptor: self._on_readable(place)
        )
        self._places[place] = None
        if len(self._places) > self._most:
            self._close(next(iter(self._places)))

    def _leave(self, place: _Place) -> None:
        self._poller.unregister(place.descriptor)
        del self._places[place]

    def _close(self, place: _Place) -> None:
        self._leave(place)
        self._gone(place.conn)

    def _refuse(self, place: _Place, why: Exception) -> None:
        self._leave(place)
        self._answer(place.conn, why)
        self.part(place.conn)

    def _begin(self, place: _Place) -> None:
        place.until_s = time.monotonic() + REQUEST_S

    def _on_readable(self, place: _Place) -> None:
        if place not in self._places:
            return  # it made room for another, in the same round of the poller
        if place.is_leaving:
            self._discard(place)
        else:
            self._receive(place)

    def _discard(self, place: _Place) -> None:
        try:
            data = socket.socket.recv(place.conn.sock, RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        place.unread_bytes -= len(data)
        if not data or place.unread_bytes <= 0:
            self._close(place)

    def _receive(self, place: _Place) -> None:
        """Take what is there, and look whether it is a request."""
        ended = False
        try:
            while len(place.received) <= MAX_BYTES:
                data = place.conn.sock.recv(RECEIVE_BYTES)
                if not data:
                    ended = True
                    break
                if not place.received:
                    self._begin(place)
                place.received += data
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass  # that is all for now
        except ssl.SSLError as error:
            self._refuse(place, error)
            return
        except OSError:
            self._close(place)
            return
        if place.received:
            self._look(place, ended)
        elif ended:
            self._close(place)

    def _look(self, place: _Place, ended: bool) -> None:
        """Parse what has come, when that can tell something new.

        Each look begins at the first byte, in the thread that all others wait for: a client that
        sends single bytes must not bring about one for each. A head and a chunked body end with
        a blank line; for what is wrong before that, twice as much is soon enough.
        """
        conn, received = place.conn, bytes(place.received)
        has_end = received.find(BLANK_LINE, max(0, place.looked_bytes - len(BLANK_LINE) + 1)) >= 0
        place.looked_bytes = len(received)
        is_full = len(received) > MAX_BYTES  # nothing more is taken, so now or never
        if not (has_end or ended or is_full or len(received) >= place.look_at_bytes):
            return
        place.looks += 1
        if place.looks > MOST_LOOKS:
            self._refuse(place, ProbedeckError(408, "too_slow", "Too many pieces."))
            return
        found, missing = arrival(conn.cfg, received, conn.client)
        place.look_at_bytes = len(received) + (missing or len(received))
        if found not in PENDING or ended:
            self._leave(place)
            self._ready(conn, received, found is Arrival.WHOLE)
        elif is_full:
            is_head = found is Arrival.HEAD_PENDING
            status, code, what = (
                (431, "bad_request", "head") if is_head else (413, "too_large", "body")
            )
            self._refuse(place, ProbedeckError(status, code, f"The request's {what} is too long."))
        elif found is Arrival.CONTINUE_PENDING and not place.may_send:
            place.may_send = True
            try:
                conn.sock.send(CONTINUE)
            except OSError:
                self._close(place)


def _say_all_was_sent(connection: ssl.SSLSocket) -> None:
    """TLS's own end (close_notify), without which an answer could have been cut short."""
    try:
        connection.unwrap()
    except (OSError, ValueError):
        pass  # sent, and the client's own has not come yet; or gone, or there was no handshake
