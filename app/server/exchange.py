# SPDX-License-Identifier: Apache-2.0
"""One connection's request and response, between gunicorn's parser and its response writer."""

from __future__ import annotations

import socket
from enum import Enum
from typing import Any

from app.errors import ProbedeckError
from app.server.gunicorn_api import Request, Response, body_bytes, omits_body
from app.server.incoming import ReceivedBytes
from app.web.api.body import BODILESS, MAX_BODY_BYTES, TOO_LARGE


class Next(Enum):
    """What a connection waits for when a thread has finished with it."""

    REQUEST = "the next request"
    BODY = "the rest of this request's body"
    CLOSE = "the client to close"


class Connection:
    """A client's connection: its socket and the state of its request and response."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        self.cfg = cfg  # gunicorn's settings
        self.sock = sock
        self.client, self.server = client, server  # addresses
        self.received = ReceivedBytes()
        self.request: Request | None = None  # with a parsed head, waiting for its body
        self.is_ended = False  # the client shut down its side before the request was complete
        self.unsent = memoryview(b"")  # the rest of a response
        self.next = Next.CLOSE
        self.missing_bytes = 0  # of the body, when `next` is BODY

    def take(self, data: bytes, is_ended: bool) -> None:
        """Append received data: a head with what follows it, or the rest of a body."""
        self.received.add(data)
        self.is_ended = is_ended

    def next_request(self) -> Request:
        """Parse the received head. Raises gunicorn's ParseException, NoMoreData, StopIteration.

        gunicorn's own `Parser` would block its thread reading what is missing from the socket.
        """
        return Request(self.cfg, self.received, self.client)

    def finish(self, request: Request) -> None:
        """Skip what the application left unread of the body: the next request follows it."""
        while request.body.read(MAX_BODY_BYTES):
            pass

    def close(self) -> None:
        try:
            self.sock.close()
        except OSError:
            pass  # reset by the client; the descriptor is closed anyway (close(2))


def missing_bytes(request: Request, received: ReceivedBytes) -> int:
    """Return how much of the body has not been received yet.

    Raises ProbedeckError for a body that is too long, and for a chunked one: finding its end
    needs parsing, which costs a Python step per byte if the client sends one-byte chunks.
    """
    length = body_bytes(request)
    if length is None:
        raise ProbedeckError(
            411,
            "length_required",
            "Chunked request bodies are not accepted: send the body with Content-Length.",
        )
    if request.method in BODILESS:
        if length > received.size_bytes:
            request.force_close()  # the rest of the body is neither waited for nor read
        return 0
    if length > MAX_BODY_BYTES:
        raise ProbedeckError(413, "too_large", TOO_LARGE)
    return max(0, length - received.size_bytes)


class BufferedResponse(Response):  # type: ignore[misc]  # gunicorn carries no types
    """Buffers a response of known length, which `rest` then returns as a whole.

    A response of unknown length is a stream: it is written as it is produced, by a thread that
    waits for its client and is counted by the stream limit (`app.web.stream_limit`).
    """

    def __init__(self, request: Request, connection: socket.socket, cfg: Any) -> None:
        self._buffer = _Buffer()
        super().__init__(request, self._buffer, cfg)
        self._connection = connection

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Any:
        write = super().start_response(status, headers, exc_info)
        if self.response_length is None and not omits_body(self):
            self.sock = self._connection
        return write

    @property
    def is_stream(self) -> bool:
        return self.sock is self._connection

    def rest(self) -> memoryview:
        """Return what is still to be sent."""
        return memoryview(b"" if self.is_stream else b"".join(self._buffer))


class _Buffer(list[bytes]):
    """What gunicorn writes a response to in place of the socket."""

    sendall = list.append
