# SPDX-License-Identifier: Apache-2.0
"""How much of a request has come, by gunicorn's own parser.

The same code looks at the same bytes here, where nobody waits, and later in a thread, where they
are taken: the two cannot differ about where a request ends.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import ChunkMissingTerminator, NoMoreData, ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader

from app.web.body import MAX_BODY_BYTES


class Arrival(Enum):
    """What there is of a request."""

    HEAD_PENDING = "the head goes on"
    BODY_PENDING = "the body goes on"
    CONTINUE_PENDING = "the body comes when the client is told to go on (RFC 9110, 10.1.1)"
    WHOLE = "all of it, or what can be refused as it is"
    OVERSIZED = "a body that is refused without waiting for the rest of it"


class _Arrived(Unreader):  # type: ignore[misc]  # gunicorn carries no types
    """What gunicorn's parser reads from: these bytes, and then nothing."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.unread(data)

    def chunk(self, _size_hint: int | None = None) -> bytes:
        return b""


def arrival(config: Any, data: bytes, peer: Any) -> tuple[Arrival, int | None]:
    """What `data`, received from `peer` so far, is of a request; `config` is gunicorn's.

    And how many bytes are missing, as far as that can be told.
    """
    try:
        request = Request(config, _Arrived(data), peer)
    except (NoMoreData, StopIteration):
        return Arrival.HEAD_PENDING, None
    except ParseException:
        return Arrival.WHOLE, None
    reader = request.body.reader
    expected = reader.length if isinstance(reader, LengthReader) else 0
    if expected > MAX_BODY_BYTES:
        return Arrival.OVERSIZED, None
    return _body_arrival(request, expected)


def _body_arrival(request: Request, expected: int) -> tuple[Arrival, int | None]:
    try:
        received = len(request.body.read(MAX_BODY_BYTES + 1))
    except NoMoreData:  # within a chunk
        received = -1
    except ParseException as error:
        ends_early = isinstance(error, ChunkMissingTerminator) and b"\r\n".startswith(error.term)
        if not ends_early:
            return Arrival.WHOLE, None
        received = -1
    if received > MAX_BODY_BYTES:
        return Arrival.OVERSIZED, None
    if received >= expected:
        return Arrival.WHOLE, None
    asks = request._expected_100_continue
    missing = expected - received if expected else None
    return Arrival.CONTINUE_PENDING if asks else Arrival.BODY_PENDING, missing
