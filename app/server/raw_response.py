# SPDX-License-Identifier: Apache-2.0
"""Whole HTTP responses, as bytes, for requests that never reach the application."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable
from http import HTTPStatus

from app.errors import ProbedeckError
from app.server.gunicorn_api import LimitRequestHeaders, LimitRequestLine, ParseException
from app.web.api.problem import problem_response
from app.web.response_headers import hardened

TOO_LONG = {
    LimitRequestLine: (414, "The request line is too long."),
    LimitRequestHeaders: (431, "The request has too many headers, or one that is too long."),
}


def raw_response(problem: ProbedeckError, more_headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """Return the response to a request that is refused; it closes the connection."""
    response = problem_response(problem)
    body = response.get_data()
    headers = [*hardened([("Connection", "close"), *response.headers]), *more_headers]
    head = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    head.extend(f"{name}: {value}" for name, value in headers)
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def problem_of(error: Exception) -> ProbedeckError | None:
    """Return what to answer for an error outside the application; None if nothing can be."""
    if isinstance(error, ProbedeckError):
        return error
    if isinstance(error, ParseException):
        malformed = (400, "Malformed HTTP request: see RFC 9112.")
        status, detail = TOO_LONG.get(type(error), malformed)
        return ProbedeckError(status, "bad_request", detail)
    if isinstance(error, ssl.SSLError):
        if error.reason != "HTTP_REQUEST":
            return None  # without a handshake there is no channel for a response
        return ProbedeckError(400, "tls_needed", "This port speaks TLS: use https://.")
    logging.getLogger(__name__).error("A request failed outside the application", exc_info=error)
    return ProbedeckError(500, "internal", "Probedeck failed internally; its log has the details.")


def cut_short() -> ProbedeckError:
    return ProbedeckError(
        400, "bad_request", "The client closed its side before the request was complete."
    )
