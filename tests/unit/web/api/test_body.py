# SPDX-License-Identifier: Apache-2.0
"""JSON by RFC 8259, without what Python's parser adds."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from app.errors import ProbedeckError
from app.web.api.body import MAX_BODY_BYTES, parse_json


def test_json() -> None:
    assert parse_json('{"a": [1, -2.5e3, null, true, "\u00e9"]}'.encode()) == {
        "a": [1, -2500.0, None, True, "\u00e9"]
    }
    assert parse_json(rb'["\ud83d\uDE00", "\\ud800"]') == ["\U0001f600", r"\ud800"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "The body is not JSON: "),
        (b"{", "The body is not JSON: "),
        (b"[NaN]", "The body is not JSON: NaN is not a JSON number"),
        (b"-Infinity", "The body is not JSON: -Infinity is not a JSON number"),
        (b'{"a": 1, "a": 1}', "The body is not JSON: an object has two members of the same name"),
        (b'{"a": "\xff"}', "The body is not JSON: byte 7 of the body is not UTF-8"),
        (b"1" * 5000, "The body is not JSON: a number has more than 1000 digits"),
        ("{}".encode("utf-16"), "The body is not JSON: "),
        (b'{"a": "\\ud800"}', r"The body is not JSON: \ud800 is half of a surrogate pair"),
        (b'{"\\uDFFF": 1}', r"The body is not JSON: \uDFFF is half of a surrogate pair"),
        (b'["\\\\\\udc00\\ud800"]', r"The body is not JSON: \udc00 is half of a surrogate pair"),
        (b"[" * 16_000, "The body is nested too deeply."),
    ],
)
def test_what_is_not_json(body: bytes, detail: str) -> None:
    with pytest.raises(ProbedeckError) as refusal:
        parse_json(body)
    assert (refusal.value.status, refusal.value.code) == (400, "bad_request")
    assert refusal.value.detail.startswith(detail)


@pytest.mark.parametrize(
    ("size", "media_type", "status"),
    [
        (0, None, 201),
        (0, "application/x-www-form-urlencoded", 415),
        (2, None, 415),
        (2, "text/plain", 415),
        (2, "application/json; charset=utf-8", 201),
        (MAX_BODY_BYTES, "application/json", 201),
        (MAX_BODY_BYTES + 1, "application/json", 413),
    ],
)
def test_size_and_type(client: FlaskClient, size: int, media_type: str | None, status: int) -> None:
    body = b"{" + b" " * (size - 2) + b"}" if size else b""
    answer = client.post("/probes/fexit", data=body, content_type=media_type)
    assert answer.status_code == status
