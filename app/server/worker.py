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
import time
from collections.abc import Iterable
from concurrent.futures import Future
from http import HTTPStatus
from types import FrameType
from typing import Any
from weakref import WeakSet

from gunicorn.http import wsgi
from gunicorn.http.errors import (
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
)
from gunicorn.workers.gthread import ThreadWorker

from app.errors import ProbedeckError
from app.server.exchange import Answer, Connection, Next, missing_bytes
from app.server.pending import REQUEST_S, Waiting, send_some
from app.web.api.problem import problem_response
from app.web.context import Service
from app.web.guard import Guard
from app.web.response_headers import hardened, strict_transport
from app.web.sockets import bound_silence, hang_up

NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
FULL = ProbedeckError(503, "busy", "The service has no room for another connection.")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
UNSENT_BYTES = 256 * 1024  # held by the kernel for a client that does not read
ACCEPTED_AT_ONCE = 64
BEAT_EVERY_S = 1.0
COLLECT_EVERY = 200  # requests
MOST_WAITING = 1000  # connections that hold no thread
ANSWERS_S = 0.5  # for answers under way and goodbyes of websockets, when the service ends


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """The one worker process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections: WeakSet[Connection] = WeakSet()  # touched by the main thread only
        self._answering: set[Connection] = set()

    def init_process(self) -> None:
        self._waiting: Waiting | None = None
        self._collected_at_nr = 0
        self._beat_s = 0.0
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
                refuse=self._refuse,
                sent=self._go_on,
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

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """As gunicorn does, with its heartbeat within a round too: it takes as long as there are
        connections that have something to say."""
        for key, _ in self.poller.select(timeout):
            key.data(key.fileobj)
            now_s = time.monotonic()
            if now_s - self._beat_s >= BEAT_EVERY_S:
                self._beat_s = now_s
                self.notify()

    def accept(self, listener: socket.socket) -> None:
        """Take new connections, which wait for their requests; gunicorn gives a thread to each.

        Several at once: each round of the poller serves all that wait, and those who come in
        good faith are behind them in the queue. Without descriptors gunicorn's worker would end,
        and all probes with it: one kept for this case says 503 to who would wait in vain.
        """
        for _ in range(ACCEPTED_AT_ONCE):
            if self.nr_conns >= self.worker_connections:
                return
            try:
                client, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in NO_ROOM:
                    self._turn_away(listener)
                # Else that connection had ended (accept(2)): the next one need not have.
                continue
            conn = Connection(self.cfg, client, address, listener.getsockname())
            self.nr_conns += 1
            self._connections.add(conn)
            try:
                bound_silence(client)
                # What a client does not take shall not fill the kernel's memory either.
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
            except OSError:
                self._forget(conn)  # reset
                continue
            self.waiting.receive_head(conn, b"", REQUEST_S)

    def _turn_away(self, listener: socket.socket) -> None:
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

    def _take(self, conn: Connection, received: bytes, is_ended: bool) -> None:
        """A thread for what has come: in it nothing waits for more."""
        conn.take(received, is_ended)
        self.enqueue_req(conn)

    def _refuse(self, conn: Connection, why: Exception) -> None:
        """Without a thread: what is wrong was found before there was a request."""
        answer = self._answer_to(why)
        if answer and isinstance(why, ssl.SSLError):  # as it came: in plain text
            try:
                socket.socket.send(conn.sock, answer)
            except OSError:
                pass  # gone already
        else:
            conn.unsent = memoryview(answer or b"")
        self._send_or_part(conn, is_kept=False)

    def _forget(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def handle(self, conn: Connection) -> Next:
        """In a thread of the pool: answer the request that has come."""
        try:
            conn.sock.setblocking(True)  # for streams, which wait
            return self._handle(conn)
        except (NoMoreData, StopIteration):
            if conn.is_ended:
                conn.unsent = memoryview(raw_answer(cut_short()))
        except OSError as error:
            # Of the connection: that of anything else ends in the application.
            self.log.debug("A connection failed: %s", error)
        except Exception as error:  # noqa: BLE001  answered, and logged when it is a defect
            answer = self._answer_to(error)
            conn.unsent = memoryview(answer or b"")
        finally:
            self._send_now(conn)
        return Next.CLOSE

    def _handle(self, conn: Connection) -> Next:
        request, conn.request = conn.request or conn.next_request(), None
        expects, request._expected_100_continue = request._expected_100_continue, False
        try:
            missing = missing_bytes(request, conn.received)
        except ProbedeckError:
            self._admit(request, conn)
            raise
        if missing:
            # Who may not come in is told so before the body, and none is read.
            self._admit(request, conn)
            if conn.is_ended:
                raise cut_short()
            if expects:
                conn.unsent = memoryview(CONTINUE)
            conn.request, conn.missing_bytes = request, missing
            return Next.BODY
        is_kept = self.handle_request(request, conn)
        if is_kept:
            conn.finish(request)
        return Next.REQUEST if is_kept else Next.CLOSE

    def _admit(self, request: Any, conn: Connection) -> None:
        """Have the guard look at a head; raises ProbedeckError."""
        _, environ = wsgi.create(request, conn.sock, conn.client, conn.server, self.cfg)
        guard: Guard = self.wsgi.extensions["probedeck.guard"]
        guard.check(environ)

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Have the application answer; whether the connection can go on.

        As gunicorn does, but that an answer is collected: its own writes to the client, and the
        thread waits for one that does not read.
        """
        answer, environ = wsgi.create(
            req, conn.sock, conn.client, conn.server, self.cfg, response_class=Answer
        )
        environ["wsgi.multithread"] = True
        self.nr += 1
        if not self.alive:
            answer.force_close()
        self._answering.add(conn)
        try:
            pieces = self.wsgi(environ, answer.start_response)
            try:
                for piece in pieces:
                    answer.write(piece)
                answer.close()
            except Exception as error:
                if isinstance(error, OSError) or not answer.is_stream:
                    raise
                # Its beginning is sent: another answer within it would be taken for part of it.
                self.log.exception("A stream failed")
                return False
            finally:
                if hasattr(pieces, "close"):
                    pieces.close()
            conn.unsent = answer.rest()
            self._send_now(conn)
        finally:
            self._answering.discard(conn)
        return not answer.should_close()

    def _send_now(self, conn: Connection) -> None:
        """What the client takes at once; the rest is sent by the main thread."""
        try:
            conn.sock.setblocking(False)
            conn.unsent = send_some(conn.sock, conn.unsent)
        except (OSError, ValueError):
            conn.unsent = memoryview(b"")  # gone, which is seen when it is closed

    def finish_request(self, conn: Connection, fs: Future[Next]) -> None:
        """In the main thread, when a thread of the pool has done its part."""
        if error := fs.exception():
            self.log.error("A connection failed", exc_info=error)
        conn.next = Next.CLOSE if error else fs.result()
        if not self.alive:
            self._forget(conn)
        else:
            self._send_or_part(conn, is_kept=conn.next is not Next.CLOSE)

    def _send_or_part(self, conn: Connection, is_kept: bool) -> None:
        if conn.unsent:
            unsent, conn.unsent = conn.unsent, memoryview(b"")
            self.waiting.send(conn, unsent, is_kept)
        else:
            self._go_on(conn, is_kept)

    def _go_on(self, conn: Connection, is_kept: bool) -> None:
        """All is sent: back to wait for what comes next, or for the client to go."""
        if not is_kept:
            self.waiting.part(conn)
        elif conn.next is Next.BODY:
            self.waiting.receive_body(conn, conn.missing_bytes)
        else:
            received = conn.received.take_buffered()
            self.waiting.receive_head(conn, received, self.cfg.keepalive)

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

    def _answer_to(self, error: Exception) -> bytes | None:
        """What is no HTTP, or a defect outside of the application, answered as problem+json too."""
        if isinstance(error, ParseException):
            status = {LimitRequestLine: 414, LimitRequestHeaders: 431}.get(type(error), 400)
            problem = ProbedeckError(status, "bad_request", "Not an HTTP request as it must be.")
        elif isinstance(error, ssl.SSLError):
            if error.reason != "HTTP_REQUEST":
                return None  # no handshake came about: there is nothing to answer with
            problem = ProbedeckError(400, "tls_needed", "This port speaks TLS: use https://.")
        elif isinstance(error, ProbedeckError):
            problem = error
        else:
            self.log.exception("A request failed outside of the application")
            problem = ProbedeckError(500, "internal", "A defect of Probedeck; see its log.")
        return raw_answer(problem, strict_transport(self.service.settings.hsts_max_age_s))

    def _end_service(self) -> None:
        """In the main thread, which accepts nothing any more: stop probes, end streams, hang up."""
        self.service.close()
        deadline_s = time.monotonic() + ANSWERS_S
        while self._answering and time.monotonic() < deadline_s:
            time.sleep(0.01)
        for conn in list(self._connections):
            hang_up(conn.sock)


def cut_short() -> ProbedeckError:
    return ProbedeckError(400, "bad_request", "The request ended before it was whole.")


def _open_spare() -> int:
    return os.open("/", os.O_PATH | os.O_CLOEXEC)


def raw_answer(problem: ProbedeckError, more: Iterable[tuple[str, str]] = ()) -> bytes:
    """A whole HTTP answer for a request that has not come as far as the application."""
    answer = problem_response(problem)
    body = answer.get_data()
    headers = [*hardened([("Connection", "close"), *answer.headers]), *more]
    head = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    head.extend(f"{name}: {value}" for name, value in headers)
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def _leave_to_arbiter(_signal: int, _frame: FrameType | None) -> None:
    pass
