# SPDX-License-Identifier: Apache-2.0
"""Talking to the service: plain requests, the NDJSON stream, the websocket."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from tests.support.batches import Batch, Row, read_batch
from tests.support.waiting import PATIENCE_S

Value = TypeVar("Value")
Own = TypeVar("Own", bound="Stream")


@dataclass(frozen=True)
class Answer:
    """What the service answered to one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


PAGE_ROWS = 10_000  # the most that one answer holds
READ_BYTES = 64 * 1024


class Client:
    """Requests to the service on this loopback port, each on a connection of its own."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.tls = tls
        # How many calls the kernel said that it hid, by each run of a probe that was answered.
        self.skips: dict[tuple[str, str], int] = {}

    def connection(self) -> http.client.HTTPConnection:
        """Return a new connection, with TLS where the service uses it."""
        if self.tls:
            return http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=PATIENCE_S, context=self.tls
            )
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; `body` goes as JSON."""
        sent = dict(headers or {})
        data = None
        if body is not None:
            data = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        with closing(self.connection()) as connection:
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())

    def expect(self, status: int, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of the answer, which must have this status."""
        answer = self.request(method, path, body)
        assert answer.status == status, f"{method} {path}: {answer.status} {answer.body!r}"
        found = answer.json
        if path.startswith("/probes"):
            self._note_skips(found.get("probes", [found]))
        return found

    def _note_skips(self, probes: Iterable[Any]) -> None:
        for probe in probes:
            if drops := probe.get("drops"):
                run = (probe["id"], probe["started_at"])
                self.skips[run] = drops["recursion"] + drops["missed_return"]

    def probes(self) -> dict[str, Any]:
        """Every probe by its id."""
        return {probe["id"]: probe for probe in self.expect(200, "GET", "/probes")["probes"]}

    def probe(self, probe: str) -> Any:
        return self.expect(200, "GET", f"/probes/{probe}")

    def start(self, probe: str, **spec: Any) -> Any:
        return self.expect(201, "POST", f"/probes/{probe}", spec or None)

    def change(self, probe: str, **filters: Any) -> Any:
        return self.expect(200, "PATCH", f"/probes/{probe}", {"filter": filters})

    def accounts(self, probes: Iterable[str]) -> dict[str, Any]:
        """Return these running probes with their losses up to now.

        A tracer reports kernel losses at intervals; here it is asked to.
        """
        return {probe: self.change(probe) for probe in probes}

    def stop(self, probe: str) -> Any:
        return self.expect(200, "DELETE", f"/probes/{probe}")

    def cursor(self) -> str:
        """Return the present end of the events as a cursor."""
        return str(self.expect(200, "GET", "/events?limit=1")["next"])

    def events_after(self, cursor: str) -> tuple[list[Row], str]:
        """Return all events after the cursor, fetched page by page, and the new cursor."""
        rows: list[Row] = []
        while True:
            page = self.expect(200, "GET", f"/events?limit={PAGE_ROWS}&after={cursor}")
            assert page["missed"] == 0
            cursor = page["next"]
            rows += page["events"]
            # Not until an empty page: while events keep coming there might never be one.
            if len(page["events"]) < PAGE_ROWS:
                return rows, cursor


class Stream:
    """Everything that one client of the live stream has received, filled by a thread of its own.

    A context manager. `rows` are the events, `controls` the control messages, in order.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.controls: list[Any] = []
        self.ended = False
        self._failure: Exception | None = None
        self._news = threading.Condition()
        self._reading = threading.Event()
        self._reading.set()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)

    def wait(self, condition: Callable[[], Value], what: str) -> Value:
        """Return the first true value of `condition`, evaluated after each message."""
        found: list[Value] = []

        def look() -> bool:
            value = condition()
            if value:
                found.append(value)
            return bool(value) or self.ended

        with self._news:
            self._news.wait_for(look, timeout=PATIENCE_S)
            if self._failure:
                raise self._failure
            assert found, f"the stream {'ended without' if self.ended else 'did not bring'} {what}"
            return found[0]

    def wait_for_name(self, probe: str, name: str) -> None:
        """Wait until a row of this probe with this name has been received, now or earlier."""
        position = 0

        def look() -> bool:
            nonlocal position
            fresh = self.rows[position:]
            position += len(fresh)
            return any(row["probe"] == probe and row["filename"] == name for row in fresh)

        self.wait(look, f"{name} of {probe}")

    def wait_for_end(self) -> None:
        self.wait(lambda: self.ended, "its end")

    def gaps(self, probe: str) -> int:
        """Return how many rows this client was told that it lost."""
        with self._news:
            return sum(
                message["rows"] or 0
                for message in self.controls
                if message["type"] == "gap" and message["probe"] == probe
            )

    def pause(self) -> None:
        """Stop reading from the connection after the message being read."""
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    def __enter__(self: Own) -> Own:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._reading.set()
        self._close()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._read()
        except Exception as error:  # noqa: BLE001  raised again by whoever waits
            self._failure = error
        finally:
            with self._news:
                self.ended = True
                self._news.notify_all()

    def _received(self, rows: list[Row], controls: list[Any]) -> None:
        with self._news:
            self.rows += rows
            self.controls += controls
            self._news.notify_all()

    def _read(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError


def _connect(
    port: int, receive_buffer_bytes: int | None, tls: ssl.SSLContext | None
) -> socket.socket:
    connection = socket.socket()
    if receive_buffer_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    connection.settimeout(PATIENCE_S)
    connection.connect(("127.0.0.1", port))
    return tls.wrap_socket(connection, server_hostname="127.0.0.1") if tls else connection


class Ndjson(Stream):
    """`GET /events/stream`; connected when the constructor returns."""

    def __init__(
        self,
        port: int,
        query: str = "",
        receive_buffer_bytes: int | None = None,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__()
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._connection.sock = _connect(port, receive_buffer_bytes, tls)
        self._socket = self._connection.sock
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._connection.request("GET", "/events/stream" + query, headers=headers)
        self._response = self._connection.getresponse()
        if self._response.status != 200:
            refusal = self._response.read()
            self._connection.close()
            raise AssertionError(refusal)
        assert self._response.headers["Content-Type"] == "application/x-ndjson"

    def _read(self) -> None:
        rest = b""
        while piece := self._piece():
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "type" in message:
                    self._received([], [message])
                else:
                    self._received([message], [])
                self._reading.wait()
        assert not rest, "the last line is not whole"

    def _piece(self) -> bytes:
        try:
            return self._response.read1(READ_BYTES)
        except http.client.IncompleteRead:
            return b""  # ended without the last chunk: the service was killed, or dropped us

    def _close(self) -> None:
        _shut_down(self._socket)
        self._thread.join()
        self._response.close()
        self._connection.close()


class Websocket(Stream):
    """`GET /ws`; the hello, after which no event is missed, has begun to arrive on return.

    Checks what the protocol says of the order of messages: hello first and once, the batches of
    each run numbered without a hole.
    """

    def __init__(
        self,
        port: int,
        query: str = "",
        receive_buffer_bytes: int | None = None,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__()
        self.batches: list[Batch] = []
        self._next: dict[tuple[str, int], int] = {}
        self._socket = _connect(port, receive_buffer_bytes, tls)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        offered = ["probedeck.v1", f"bearer.{token}"] if token else []
        self._send(Request(host=f"127.0.0.1:{port}", target="/ws" + query, subprotocols=offered))
        self._text = ""
        self._bytes = bytearray()
        self._events: list[Any] = []
        while not self._events:
            self._feed()
        answer = self._events.pop(0)
        if isinstance(answer, RejectConnection | RejectData):
            self._socket.close()
        assert isinstance(answer, AcceptConnection), f"no websocket: {answer}"
        assert answer.subprotocol == ("probedeck.v1" if token else None)
        while not self._events:
            self._feed()

    def _send(self, event: Any) -> None:
        self._socket.sendall(self._protocol.send(event))

    def _feed(self) -> bool:
        data = self._socket.recv(1 << 16)
        self._protocol.receive_data(data or None)
        self._events += self._protocol.events()
        return bool(data)

    def _read(self) -> None:
        more = True
        while more:
            for event in self._events:
                if isinstance(event, CloseConnection):
                    return
                self._handle(event)
            self._events.clear()
            self._reading.wait()
            more = self._feed()

    def _handle(self, event: Any) -> None:
        if isinstance(event, Ping):
            self._send(event.response())
        elif isinstance(event, TextMessage):
            self._text += event.data
            if event.message_finished:
                self._take_control(json.loads(self._text))
                self._text = ""
        else:
            assert isinstance(event, BytesMessage), event
            self._bytes += event.data
            if event.message_finished:
                self._take_batch(read_batch(bytes(self._bytes)))
                self._bytes.clear()

    def _take_control(self, message: Any) -> None:
        is_first = not self.controls and not self.batches
        assert (message["type"] == "hello") == is_first, "hello is first, and once"
        self._received([], [message])

    def _take_batch(self, batch: Batch) -> None:
        run = (batch.probe, batch.run)
        expected = self._next.get(run, batch.number)
        # Batches that this client lost are absent here too, and were announced by a gap.
        assert batch.number >= expected, f"batch {batch.number} after {expected - 1}"
        assert batch.number == expected or self.gaps(batch.probe), "a batch is missing, untold"
        self._next[run] = batch.number + 1
        self.batches.append(batch)
        self._received(batch.rows, [])

    def _close(self) -> None:
        _shut_down(self._socket)
        self._thread.join()
        self._socket.close()


def _shut_down(connection: socket.socket) -> None:
    try:
        # Of TCP, also below TLS: another thread is reading.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass  # the service has closed it already
