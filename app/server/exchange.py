# SPDX-License-Identifier: Apache-2.0
"""One connection's request and answer, between gunicorn's parser and its writer."""

from __future__ import annotations

import socket
from enum import Enum
from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.message import Request
from gunicorn.http.wsgi import Response
from gunicorn.workers.gthread import TConn

from app.errors import ProbedeckError
from app.server.incoming import Received
from app.web.api.body import BODILESS, MAX_BODY_BYTES


class Next(Enum):
    """What a connection is waited for, when a thread has done its part."""

    REQUEST = "the next request"
    BODY = "the rest of this request's body"
    CLOSE = "the client's end"


class Connection(TConn):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's connection, with what has come of a request."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.received = Received(b"")
        self.request: Request | None = None  # whose head is parsed, and whose body is waited for
        self.is_ended = False  # by the client, before all of a request had come
        self.unsent = memoryview(b"")  # of an answer
        self.next = Next.CLOSE
        self.missing_bytes = 0  # of the body, when that is next

    def take(self, data: bytes, is_ended: bool) -> None:
        """`data` came: a head with what follows it, or the rest of a body."""
        self.received.add(data)
        self.is_ended = is_ended

    def next_request(self) -> Request:
        """The request that has come; raises gunicorn's ParseException, NoMoreData, StopIteration.

        gunicorn's own `Parser` would read from the socket, in a thread, whatever is missing.
        """
        return Request(self.cfg, self.received, self.client)

    def finish(self, request: Request) -> None:
        """Skip what the application left of the body: the next request is behind it."""
        while request.body.read(MAX_BODY_BYTES):
            pass


def missing_bytes(request: Request, received: Received) -> int:
    """How much of the body has not come yet.

    Raises ProbedeckError for a body that is not waited for: one in chunks, whose end is found only
    by parsing it, a Python step for each byte if a client wants that, or one that is too long.
    """
    reader = request.body.reader
    if isinstance(reader, ChunkedReader):
        raise ProbedeckError(
            411, "length_required", "Send the body with Content-Length, not in chunks."
        )
    if request.method in BODILESS:
        if reader.length > received.size_bytes:
            request.force_close()  # what comes of a body is not waited for, and not read
        return 0
    if reader.length > MAX_BODY_BYTES:
        raise ProbedeckError(
            413, "too_large", f"The body is larger than {MAX_BODY_BYTES // 1024} KiB."
        )
    length: int = reader.length
    return max(0, length - received.size_bytes)


class Answer(Response):  # type: ignore[misc]  # gunicorn carries no types
    """Collects an answer whose length is known, which `rest` gives as a whole.

    One of unknown length is a stream: it is written as it comes, by a thread that waits for its
    client, and that took a seat for it (`app.web.stream_limit`).
    """

    def __init__(self, request: Request, connection: socket.socket, cfg: Any) -> None:
        self._collected = _Collector()
        super().__init__(request, self._collected, cfg)
        self._connection = connection

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Any:
        write = super().start_response(status, headers, exc_info)
        if self.response_length is None and not self._omits_body:
            self.sock = self._connection
        return write

    @property
    def is_stream(self) -> bool:
        return self.sock is self._connection

    def rest(self) -> memoryview:
        """What is still to be sent."""
        return memoryview(b"" if self.is_stream else b"".join(self._collected))


class _Collector(list[bytes]):
    """Where an answer is written to instead of the socket."""

    sendall = list.append
