# SPDX-License-Identifier: Apache-2.0
"""What is answered when a request never reaches the application."""

from __future__ import annotations

import json
import ssl

import pytest
from gunicorn.http.errors import InvalidHeader, LimitRequestHeaders, LimitRequestLine

from app.errors import ProbedeckError
from app.server.raw_response import cut_short, problem_of, raw_response


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (LimitRequestLine(5000, 4094), 414, "bad_request"),
        (LimitRequestHeaders("limit request headers fields"), 431, "bad_request"),
        (InvalidHeader("A : b"), 400, "bad_request"),
        (cut_short(), 400, "bad_request"),
        (ProbedeckError(413, "too_large", "x"), 413, "too_large"),
        (RuntimeError("a defect"), 500, "internal"),
    ],
)
def test_errors_and_their_problems(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error)
    assert problem is not None
    assert (problem.status, problem.code) == (status, code)


def test_plain_http_where_tls_is_spoken_is_answered_and_a_failed_handshake_is_not() -> None:
    plain, garbage = ssl.SSLError(), ssl.SSLError()
    plain.reason, garbage.reason = "HTTP_REQUEST", "WRONG_VERSION_NUMBER"
    problem = problem_of(plain)
    assert problem is not None
    assert (problem.status, problem.code) == (400, "tls_needed")
    assert problem_of(garbage) is None


def test_a_response_is_whole_and_has_our_headers() -> None:
    raw = raw_response(ProbedeckError(408, "too_slow", "Too slow."), [("X-More", "1")])
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    assert line == "HTTP/1.1 408 Request Timeout"
    assert headers["Connection"] == "close"
    assert headers["Content-Type"] == "application/problem+json"
    assert int(headers["Content-Length"]) == len(body)
    assert (headers["Cache-Control"], headers["X-More"]) == ("no-store", "1")
    assert json.loads(body)["code"] == "too_slow"
