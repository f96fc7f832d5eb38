# SPDX-License-Identifier: Apache-2.0
"""gunicorn's threaded worker, whose threads never wait for a client, and whose end waits for none.

An open websocket, a stream, a connection that a browser opened in advance: each would delay the
end of the service until gunicorn's time-out. Here the probes are stopped, the streams end, and
the connections that are left are shut down.
"""

from __future__ import annotations

import gc
import resource
import signal
import socket
import ssl
import time
from concurrent.futures import Future
from types import FrameType
from typing import Any
from weakref import WeakSet

from app.errors import ProbedeckError
from app.server.exchange import BufferedResponse, Connection, Next, missing_bytes
from app.server.gunicorn_api import (
    NoMoreData,
    ThreadWorker,
    create_wsgi,
    take_expectation,
)
from app.server.pending import REQUEST_S, PendingConnections, send_some
from app.server.raw_response import cut_short, problem_of, raw_response
from app.server.spare_descriptor import NO_ROOM, SpareDescriptor
from app.web.context import Service
from app.web.guard import Guard
from app.web.response_headers import strict_transport
from app.web.sockets import bound_silence, hang_up

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
UNSENT_BYTES = 256 * 1024  # in the kernel's buffer for a client that does not read
ACCEPTED_AT_ONCE = 64
HEARTBEAT_EVERY_S = 1.0
COLLECT_EVERY = 200  # requests
MAX_PENDING = 1000  # connections that hold no thread
GOODBYE_S = 0.5  # at the end of the service, for responses under way and websockets' closing


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """The one worker process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections: WeakSet[Connection] = WeakSet()  # used by the main thread only
        self._answering: set[Connection] = set()

    # --- The process ---

    def init_process(self) -> None:
        self._pending: PendingConnections | None = None
        self._collected_at_nr = 0
        self._heartbeat_at_s = 0.0
        self._spare = SpareDescriptor()
        super().init_process()

    @property
    def pending(self) -> PendingConnections:
        """The connections that hold no thread."""
        if self._pending is None:
            files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            self._pending = PendingConnections(
                self.poller,
                min(MAX_PENDING, files // 2),
                on_request=self._submit,
                on_refusal=self._refuse,
                on_sent=self._go_on,
                on_lost=self._forget,
            )
        return self._pending

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
        # A request and the objects it refers to form cycles, and CPython scans the oldest
        # generation only once new objects amount to a quarter of it. So what is loaded by now is
        # frozen, and the few objects of requests are collected every COLLECT_EVERY requests.
        gc.collect()
        gc.freeze()
        try:
            super().run()
        finally:
            self.service.close()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Run one round of the poller, as gunicorn does, and what is due after it.

        The heartbeat is kept within a round too: it lasts as long as connections are ready.
        """
        for key, _ in self.poller.select(timeout):
            key.data(key.fileobj)
            now_s = time.monotonic()
            if now_s - self._heartbeat_at_s >= HEARTBEAT_EVERY_S:
                self._heartbeat_at_s = now_s
                self.notify()
        self.pending.expire()
        if self.nr - self._collected_at_nr >= COLLECT_EVERY:
            self._collected_at_nr = self.nr
            gc.collect()

    def _end_service(self) -> None:
        """In the main thread, which accepts nothing more: stop probes, end streams, hang up."""
        self.service.close()
        deadline_s = time.monotonic() + GOODBYE_S
        while self._answering and time.monotonic() < deadline_s:
            time.sleep(0.01)
        for conn in list(self._connections):
            hang_up(conn.sock)
        self.pending.close_all()

    # --- A connection, in the main thread ---

    def accept(self, listener: socket.socket) -> None:
        """Accept connections, which then wait for their requests; gunicorn takes a thread for each.

        Up to 64 at once: a round of the poller serves all ready connections, and a legitimate
        client may be far back in the listen queue. When there is no descriptor left, gunicorn's
        worker would end, and all probes with it; here the client is answered with 503.
        """
        for _ in range(ACCEPTED_AT_ONCE):
            if not self.alive or self.nr_conns >= self.worker_connections:
                return
            try:
                client, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in NO_ROOM:
                    self._spare.refuse_one(listener)
                # Any other error is that connection's, which has ended (accept(2)).
                continue
            conn = Connection(self.cfg, client, address, listener.getsockname())
            self.nr_conns += 1
            self._connections.add(conn)
            try:
                bound_silence(client)
                # Bound the kernel's memory too for a client that does not read.
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
            except OSError:
                self._forget(conn)  # reset
                continue
            self.pending.receive_head(conn, b"", REQUEST_S)

    def _submit(self, conn: Connection, received: bytes, is_ended: bool) -> None:
        """Hand what was received to a thread, which then waits for nothing more."""
        conn.take(received, is_ended)
        self.enqueue_req(conn)

    def _refuse(self, conn: Connection, why: Exception) -> None:
        """Answer without a thread what is wrong before there is a request."""
        response = self._response_to(why)
        if response and isinstance(why, ssl.SSLError):  # plain HTTP was sent: answer in kind
            try:
                socket.socket.send(conn.sock, response)
            except OSError:
                pass  # reset
        else:
            conn.unsent = memoryview(response)
        self._send_or_close(conn, is_kept=False)

    def finish_request(self, conn: Connection, fs: Future[Next]) -> None:
        """Continue with a connection whose thread has finished with it."""
        if error := fs.exception():
            self.log.error("A connection failed", exc_info=error)
        conn.next = Next.CLOSE if error else fs.result()
        if not self.alive:
            self._forget(conn)
        else:
            self._send_or_close(conn, is_kept=conn.next is not Next.CLOSE)

    def _send_or_close(self, conn: Connection, is_kept: bool) -> None:
        if conn.unsent:
            unsent, conn.unsent = conn.unsent, memoryview(b"")
            self.pending.send(conn, unsent, is_kept)
        else:
            self._go_on(conn, is_kept)

    def _go_on(self, conn: Connection, is_kept: bool) -> None:
        """After the response is sent: wait for what comes next, or for the client to close."""
        if not is_kept:
            self.pending.close_gracefully(conn)
        elif conn.next is Next.BODY:
            self.pending.receive_body(conn, conn.missing_bytes)
        else:
            received = conn.received.take_buffered()
            self.pending.receive_head(conn, received, self.cfg.keepalive)

    def _forget(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    # --- A request, in a thread of the pool ---

    def handle(self, conn: Connection) -> Next:
        """Answer the request that was received; return what to wait for next."""
        try:
            conn.sock.setblocking(True)  # for streams, whose thread may wait
            return self._handle(conn)
        except (NoMoreData, StopIteration):
            if conn.is_ended:
                conn.unsent = memoryview(raw_response(cut_short()))
        except OSError as error:
            # The connection's: the application turns any other into a response.
            self.log.debug("A connection failed: %s", error)
        except Exception as error:  # noqa: BLE001  answered, and logged if it is a defect
            conn.unsent = memoryview(self._response_to(error))
        finally:
            self._send_now(conn)
        return Next.CLOSE

    def _handle(self, conn: Connection) -> Next:
        request, conn.request = conn.request or conn.next_request(), None
        expects_continue = take_expectation(request)
        try:
            missing = missing_bytes(request, conn.received)
        except ProbedeckError:
            self._check_caller(request, conn)
            raise
        if missing:
            # A caller without the right to send it is refused before the body is read.
            self._check_caller(request, conn)
            if conn.is_ended:
                raise cut_short()
            if expects_continue:
                conn.unsent = memoryview(CONTINUE)
            conn.request, conn.missing_bytes = request, missing
            return Next.BODY
        is_kept = self.handle_request(request, conn)
        if is_kept:
            conn.finish(request)
        return Next.REQUEST if is_kept else Next.CLOSE

    def _check_caller(self, request: Any, conn: Connection) -> None:
        """Have the guard check a head. Raises ProbedeckError."""
        _, environ = create_wsgi(request, conn.sock, conn.client, conn.server, self.cfg)
        guard: Guard = self.wsgi.extensions["probedeck.guard"]
        guard.check(environ)

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Have the application answer; return whether the connection is kept open.

        As gunicorn does, except that the response is buffered: gunicorn writes it to the socket,
        and the thread waits for a client that does not read.
        """
        response, environ = create_wsgi(
            req, conn.sock, conn.client, conn.server, self.cfg, response_class=BufferedResponse
        )
        environ["wsgi.multithread"] = True
        self.nr += 1
        if not self.alive:
            response.force_close()
        self._answering.add(conn)
        try:
            pieces = self.wsgi(environ, response.start_response)
            try:
                for piece in pieces:
                    response.write(piece)
                response.close()
            except Exception as error:
                if isinstance(error, OSError) or not response.is_stream:
                    raise
                # Its head is sent: a second response would be taken for a part of its body.
                self.log.exception("A stream failed")
                return False
            finally:
                if hasattr(pieces, "close"):
                    pieces.close()
            conn.unsent = response.rest()
            self._send_now(conn)
        finally:
            self._answering.discard(conn)
        return not response.should_close()

    def _send_now(self, conn: Connection) -> None:
        """Send what the client takes at once; the main thread sends the rest."""
        try:
            conn.sock.setblocking(False)
            conn.unsent = send_some(conn.sock, conn.unsent)
        except (OSError, ValueError):
            conn.unsent = memoryview(b"")  # reset, which the main thread sees when it closes

    def _response_to(self, error: Exception) -> bytes:
        """Return the response to what failed outside the application; empty if none is possible."""
        problem = problem_of(error)
        if problem is None:
            return b""
        return raw_response(problem, strict_transport(self.service.settings.hsts_max_age_s))


def _leave_to_arbiter(_signal: int, _frame: FrameType | None) -> None:
    pass
