# SPDX-License-Identifier: Apache-2.0
"""gunicorn's threaded worker, with an end that does not wait for those who would stay.

An open websocket, a stream, a connection a browser opened in advance: each would hold the
end of the service until gunicorn's time-out. Here the probes are stopped, the streams end,
and what is left of the connections is hung up.
"""

from __future__ import annotations

import errno
import gc
import os
import resource
import signal
import socket
import ssl
import struct
import time
from concurrent.futures import Future
from http import HTTPStatus
from types import FrameType
from typing import Any
from weakref import WeakSet

from gunicorn.http import get_parser
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from app.errors import ProbedeckError
from app.web.headers import hardened
from app.web.problem import CONTENT_TYPE, problem_document
from app.web.service import Service
from app.web.waiting import REQUEST_S, Waiting
from app.web.wire import bound_silence, hang_up

NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
FULL = ProbedeckError(503, "busy", "The service has no room for another connection.")
# For one piece of an answer; a client that does not read must not keep a thread.
SEND_TIMEOUT_S = 10
COLLECT_EVERY = 200  # requests
MOST_WAITING = 1000  # connections that hold no thread
ANSWERS_S = 0.5  # for answers under way and goodbyes of websockets, when the service ends


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """The one worker process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections: WeakSet[TConn] = WeakSet()  # touched by the main thread only
        self._answering: set[TConn] = set()

    def init_process(self) -> None:
        self._waiting: Waiting | None = None
        self._collected_at_nr = 0
        self._spare = _open_spare()
        super().init_process()

    @property
    def waiting(self) -> Waiting:
        """The connections that hold no thread."""
        if self._waiting is None:
            files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            self._waiting = Waiting(
                self.poller,
                min(MOST_WAITING, files // 2),
                ready=self._take,
                answer=self._refuse,
                gone=self._forget,
            )
        return self._waiting

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
        # A request and what it refers to are a cycle, and Python looks for old ones only when
        # they have come to a quarter of all that is loaded. So what is loaded is set aside, and
        # the rest, which is little, looked through now and then.
        gc.collect()
        gc.freeze()
        try:
            super().run()
        finally:
            self.service.close()

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
                    client.send(raw_answer(FULL))
                    client.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # left, or another thread took the descriptor: the next one is answered
            finally:
                self._spare = _open_spare()

    def enqueue_req(self, conn: TConn) -> None:
        """gunicorn gives a thread to each new connection; here one waits for its request first."""
        self._connections.add(conn)
        self.waiting.add(conn, b"", REQUEST_S)

    def _take(self, conn: TConn, received: bytes, is_whole: bool) -> None:
        """A thread for what has come: in it nothing waits for more."""
        if not conn.initialized:
            conn.parser = get_parser(self.cfg, conn.sock, conn.client)
            conn.initialized = True
        conn.parser.unreader.unread(received)
        conn.is_whole = is_whole
        super().enqueue_req(conn)

    def _refuse(self, conn: TConn, why: Exception) -> None:
        self.handle_error(None, conn.sock, conn.client, why)

    def _forget(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()

    def handle(self, conn: TConn) -> Any:
        timeval = struct.pack("ll", SEND_TIMEOUT_S, 0)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
        bound_silence(conn.sock)
        return super().handle(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        # What was to be waited for has come: who asked whether to send it was told already.
        req._expected_100_continue = False
        if not conn.is_whole:
            req.force_close()  # where the next request begins is not known
        self._answering.add(conn)
        try:
            return super().handle_request(req, conn)
        finally:
            self._answering.discard(conn)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """In the main thread: back to wait for the next request, or for the client to go."""
        if error := fs.exception():
            self.log.error("A connection failed", exc_info=error)
        keep = error is None and fs.result()
        if not self.alive:
            self._forget(conn)
        elif keep:
            received = conn.parser.unreader.take_buffered()
            self.waiting.add(conn, received, self.cfg.keepalive)
        else:
            self.waiting.part(conn)

    def murder_pending(self) -> None:
        """gunicorn's main loop calls this every second at least."""
        self.waiting.expire()
        if self.nr - self._collected_at_nr >= COLLECT_EVERY:
            self._collected_at_nr = self.nr
            gc.collect()

    def murder_keepalived(self, force: bool = False) -> None:
        """As above, and once at its end."""
        if force:
            self.waiting.close_all()

    def handle_error(self, _req: Any, client: socket.socket, _addr: Any, exc: Exception) -> None:
        """A request that is no HTTP, or a defect outside of the application: problem+json too."""
        if isinstance(exc, ParseException):
            status = {LimitRequestLine: 414, LimitRequestHeaders: 431}.get(type(exc), 400)
            problem = ProbedeckError(status, "bad_request", "Not an HTTP request as it must be.")
        elif isinstance(exc, ssl.SSLError):
            if exc.reason != "HTTP_REQUEST":
                return  # no handshake came about: there is nothing to answer with
            problem = ProbedeckError(400, "tls_needed", "This port speaks TLS: use https://.")
        elif isinstance(exc, ProbedeckError):
            problem = exc
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
