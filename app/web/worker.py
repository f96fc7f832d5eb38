"""gunicorn's threaded worker, with an end that does not wait for those who would stay.

An open websocket, a stream, a connection a browser opened in advance: each would hold the
end of the service until gunicorn's time-out. Here the probes are stopped, the streams end,
and what is left of the connections is hung up.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import ssl
import struct
import time
from http import HTTPStatus
from types import FrameType
from typing import Any
from weakref import WeakSet

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from app.errors import ProbedeckError
from app.web.headers import hardened
from app.web.problem import CONTENT_TYPE, problem_document
from app.web.service import Service
from app.web.wire import bound_silence, hang_up

READ_TIMEOUT_S = 10  # for one piece of a request; a slow sender must not keep a thread
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NO_ROOM = ProbedeckError(503, "busy", "The service has no room for another connection.")
LINGER_S = 2.0
LINGER_BYTES = 64 * 1024
ANSWERS_S = 0.5  # for answers under way and goodbyes of websockets, when the service ends


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """The one worker process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections: WeakSet[TConn] = WeakSet()  # touched by the main thread only
        self._answering: set[TConn] = set()

    @property
    def service(self) -> Service:
        service: Service = self.wsgi.extensions["probedeck"]
        return service

    def init_signals(self) -> None:
        super().init_signals()
        # Ctrl-C and a closing terminal reach the whole process group; the arbiter acts on
        # them and tells the worker. Handlers and not SIG_IGN, which tracers would inherit.
        signal.signal(signal.SIGINT, _leave_to_arbiter)
        signal.signal(signal.SIGHUP, _leave_to_arbiter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.alive:
            self.method_queue.defer(self._end_service)
        super().handle_exit(sig, frame)

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.service.close()

    def init_process(self) -> None:
        self._spare = _open_spare()
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        """As gunicorn does, but without descriptors: there the whole worker would end, and all
        probes with it. One kept for this case says 503 to who would wait in vain."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            os.close(self._spare)
            try:
                with listener.accept()[0] as client:
                    client.setblocking(False)
                    client.send(raw_answer(_NO_ROOM))
                    client.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # left, or another thread took the descriptor: the next one is answered
            finally:
                self._spare = _open_spare()

    def enqueue_req(self, conn: TConn) -> None:
        self._connections.add(conn)
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        timeval = struct.pack("ll", READ_TIMEOUT_S, 0)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
        bound_silence(conn.sock)
        keep = super().handle(conn)
        if keep is False:
            linger(conn.sock)
        return keep

    def handle_request(self, req: Any, conn: TConn) -> Any:
        self._answering.add(conn)
        try:
            return super().handle_request(req, conn)
        finally:
            self._answering.discard(conn)

    def handle_error(self, _req: Any, client: socket.socket, _addr: Any, exc: Exception) -> None:
        """A request that is no HTTP, or a defect outside of the application: problem+json too."""
        if isinstance(exc, ParseException):
            status = {LimitRequestLine: 414, LimitRequestHeaders: 431}.get(type(exc), 400)
            problem = ProbedeckError(status, "bad_request", "Not an HTTP request as it must be.")
        elif isinstance(exc, ssl.SSLError):
            if exc.reason != "HTTP_REQUEST":
                return  # no handshake came about: there is nothing to answer with
            problem = ProbedeckError(400, "tls_needed", "This port speaks TLS: use https://.")
        else:
            self.log.exception("A request failed outside of the application")
            problem = ProbedeckError(500, "internal", "A defect of Probedeck; see its log.")
        try:
            if isinstance(exc, ssl.SSLError):
                socket.socket.sendall(client, raw_answer(problem))  # as it came: in plain text
            else:
                client.sendall(raw_answer(problem))
        except OSError:
            pass  # gone already

    def _end_service(self) -> None:
        """In the main thread, which accepts nothing any more: stop probes, end streams, hang up."""
        self.service.close()
        deadline_s = time.monotonic() + ANSWERS_S
        while self._answering and time.monotonic() < deadline_s:
            time.sleep(0.01)
        for conn in list(self._connections):
            hang_up(conn.sock)


def _open_spare() -> int:
    return os.open("/", os.O_PATH | os.O_CLOEXEC)


def linger(connection: socket.socket) -> None:
    """Close our half and wait a little for the client's (RFC 9112, 9.6), in this pool thread.

    gunicorn does it in its main thread, where one client that stays keeps out all others.
    """
    deadline_s = time.monotonic() + LINGER_S
    unread_bytes = LINGER_BYTES
    try:
        if isinstance(connection, ssl.SSLSocket):
            say_all_was_sent(connection)
        # Of TCP from here on: what a client still sends is thrown away as it comes.
        socket.socket.shutdown(connection, socket.SHUT_WR)
        while unread_bytes > 0 and (left_s := deadline_s - time.monotonic()) > 0:
            connection.settimeout(left_s)
            received = socket.socket.recv(connection, 4096)
            if not received:
                break
            unread_bytes -= len(received)
    except OSError:
        pass  # gone
    hang_up(connection)


def say_all_was_sent(connection: ssl.SSLSocket) -> None:
    """TLS's own end (close_notify), without which an answer could have been cut short."""
    connection.setblocking(False)
    try:
        connection.unwrap()
    except OSError:
        pass  # sent, and the client's own has not come yet; or gone


def raw_answer(problem: ProbedeckError) -> bytes:
    """A whole HTTP answer for a connection that has not come as far as the application."""
    body = problem_document(problem)
    headers = hardened(
        [
            ("Connection", "close"),
            ("Content-Type", CONTENT_TYPE),
            ("Content-Length", str(len(body))),
        ]
    )
    head = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    head.extend(f"{name}: {value}" for name, value in headers)
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def _leave_to_arbiter(_signal: int, _frame: FrameType | None) -> None:
    pass
