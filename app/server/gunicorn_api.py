# SPDX-License-Identifier: Apache-2.0
"""All that Probedeck uses of gunicorn beyond its settings, in one place.

gunicorn documents its settings and server hooks only: every name here may change in any release.
`tests/unit/server/test_gunicorn_api.py` lists the attributes that are read and the methods that
are overridden, and says which one a new gunicorn has renamed.
"""

from __future__ import annotations

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import (
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
)
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader
from gunicorn.http.wsgi import Response
from gunicorn.http.wsgi import create as create_wsgi
from gunicorn.sock import TCP6Socket, TCPSocket, ssl_wrap_socket
from gunicorn.workers.gthread import ThreadWorker

__all__ = [
    "Arbiter",
    "BaseApplication",
    "LimitRequestHeaders",
    "LimitRequestLine",
    "Logger",
    "NoMoreData",
    "ParseException",
    "Request",
    "Response",
    "TCP6Socket",
    "TCPSocket",
    "ThreadWorker",
    "Unreader",
    "body_bytes",
    "create_wsgi",
    "omits_body",
    "ssl_wrap_socket",
    "take_expectation",
]


def body_bytes(request: Request) -> int | None:
    """Return the length of the body that has not been read; None for a chunked one."""
    reader = request.body.reader
    if isinstance(reader, ChunkedReader):
        return None
    length: int = reader.length
    return length


def take_expectation(request: Request) -> bool:
    """Return whether the client waits for 100 Continue, and keep gunicorn from sending it."""
    expects: bool = request._expected_100_continue
    request._expected_100_continue = False
    return expects


def omits_body(response: Response) -> bool:
    """Return whether a response whose head is known has no body (HEAD, 1xx, 204, 304)."""
    omits: bool = response._omits_body
    return omits
