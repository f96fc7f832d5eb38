# SPDX-License-Identifier: Apache-2.0
"""How much of a request has been received, searching each byte once.

Only the end of the head is searched for here, on the main thread, which all connections share.
gunicorn's parser reads the head itself: once per request, in a thread of the pool, from bytes that
have all been received.
"""

from __future__ import annotations

from app.errors import ProbedeckError
from app.server.gunicorn_api import Unreader

END_OF_HEAD = b"\r\n\r\n"
MAX_LINE_BYTES = 4094  # of the request line; also gunicorn's limit_request_line
MAX_HEAD_BYTES = 32 * 1024
RECEIVE_BYTES = 8 * 1024  # per recv(): the most that is buffered beyond the end of a request


class IncomingRequest:
    """A head and whatever was received after it, in `data`; or, once the head is known, a body."""

    def __init__(self, missing_bytes: int | None = None) -> None:
        """Wait for `missing_bytes` of a body whose head is known, or for a head if None."""
        self.data = bytearray()
        self._body_bytes = missing_bytes
        self._searched_bytes = 0
        self._has_line = False  # the request line has ended
        self._is_complete = False

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is needed: all was received, or it can only be refused."""
        return self._is_complete

    @property
    def is_body(self) -> bool:
        return self._body_bytes is not None

    @property
    def has_begun(self) -> bool:
        """Whether a part of a request has been received."""
        return self.is_body or bool(self.data)

    def add(self, piece: bytes) -> None:
        """Append received bytes. Raises ProbedeckError for a head that is too long."""
        self.data += piece
        if self._body_bytes is not None:
            self._is_complete = len(self.data) >= self._body_bytes
            return
        if not self._is_complete:
            self._is_complete = self._head_is_over()
            self._searched_bytes = len(self.data)
        if not self._is_complete and len(self.data) > MAX_HEAD_BYTES:
            raise ProbedeckError(
                431, "bad_request", f"The request's head is larger than {MAX_HEAD_BYTES} bytes."
            )

    def _head_is_over(self) -> bool:
        data, searched = self.data, self._searched_bytes
        # One empty line may precede the request line (RFC 9112, 2.2).
        start = 2 if data.startswith(b"\r\n") else 0
        if data.find(END_OF_HEAD, max(start, searched - len(END_OF_HEAD) + 1)) >= 0:
            return True
        # The parser refuses a bare line feed, and an end of the head may never follow it.
        if data.count(b"\n", searched) != data.count(b"\r\n", max(0, searched - 1)):
            return True
        if not self._has_line:
            self._has_line = data.find(b"\r\n", max(start, searched - 1)) >= 0
        return not self._has_line and len(data) > start + MAX_LINE_BYTES


class ReceivedBytes(Unreader):  # type: ignore[misc]  # gunicorn carries no types
    """What gunicorn's parser reads from: bytes in memory, then end of file, never the socket."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__()
        self.unread(data)

    def chunk(self, _size_hint: int | None = None) -> bytes:
        return b""

    @property
    def size_bytes(self) -> int:
        """How much has not been read."""
        data = self.take_buffered()
        self.unread(data)
        return len(data)

    def add(self, data: bytes) -> None:
        """Append `data` to what has not been read."""
        self.unread(self.take_buffered() + data)
