# SPDX-License-Identifier: Apache-2.0
"""How much of a request has come, told by looking at each byte once.

Only the end of the head is searched for here, in the thread that all connections share. What the
head says is left to gunicorn's parser, once for each request, in a thread of the pool and on bytes
that are all there.
"""

from __future__ import annotations

import io

from gunicorn.http.unreader import Unreader

from app.errors import ProbedeckError

END_OF_HEAD = b"\r\n\r\n"
MAX_LINE_BYTES = 4094  # the request line, for gunicorn's own check too
MAX_HEAD_BYTES = 32 * 1024
PIECE_BYTES = 8 * 1024  # taken at once: so much is held of what follows a request, at most


class Incoming:
    """A head, and what has come after it: `data`. Or, once the head is known, a body."""

    def __init__(self, missing_bytes: int | None = None) -> None:
        """`missing_bytes` of a body whose head is known; None to wait for a head."""
        self.data = bytearray()
        self._body_bytes = missing_bytes
        self._searched_bytes = 0
        self._has_line = False  # the request line has ended
        self._is_whole = False

    @property
    def is_whole(self) -> bool:
        """Whether there is nothing to wait for: all is there, or what can only be refused."""
        return self._is_whole

    @property
    def is_body(self) -> bool:
        return self._body_bytes is not None

    def add(self, piece: bytes) -> None:
        """Take what came. Raises ProbedeckError for a head that is too long."""
        self.data += piece
        if self._body_bytes is not None:
            self._is_whole = len(self.data) >= self._body_bytes
            return
        if not self._is_whole:
            self._is_whole = self._head_is_over()
            self._searched_bytes = len(self.data)
        if not self._is_whole and len(self.data) > MAX_HEAD_BYTES:
            raise ProbedeckError(431, "bad_request", "The request's head is too long.")

    def _head_is_over(self) -> bool:
        data, searched = self.data, self._searched_bytes
        # One empty line may come before the request (RFC 9112, 2.2).
        start = 2 if data.startswith(b"\r\n") else 0
        if data.find(END_OF_HEAD, max(start, searched - len(END_OF_HEAD) + 1)) >= 0:
            return True
        # A bare line feed will be refused, and no end of the head need come after it.
        if data.count(b"\n", searched) != data.count(b"\r\n", max(0, searched - 1)):
            return True
        if not self._has_line:
            self._has_line = data.find(b"\r\n", max(start, searched - 1)) >= 0
        return not self._has_line and len(data) > start + MAX_LINE_BYTES


class Received(Unreader):  # type: ignore[misc]  # gunicorn carries no types
    """What gunicorn's parser reads from: bytes that have come, and then nothing."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.buf: io.BytesIO
        self.unread(data)

    def chunk(self, _size_hint: int | None = None) -> bytes:
        return b""

    @property
    def size_bytes(self) -> int:
        """How much is left."""
        return len(self.buf.getbuffer())

    def add(self, data: bytes) -> None:
        """Put `data` behind what is left."""
        self.buf = io.BytesIO(self.buf.getvalue() + data)
