# SPDX-License-Identifier: Apache-2.0
"""Where a request ends: the same in whatever pieces it comes, and no byte is searched twice."""

from __future__ import annotations

import random

import pytest
from gunicorn.config import Config
from gunicorn.http.message import Request

from app.errors import ProbedeckError
from app.server.exchange import missing_bytes
from app.server.incoming import MAX_HEAD_BYTES, RECEIVE_BYTES, IncomingRequest, ReceivedBytes

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n"


def fed(data: bytes, size: int, missing: int | None = None) -> tuple[IncomingRequest, int]:
    """Feed `data` in pieces; return the state and after how many bytes it was complete."""
    incoming = IncomingRequest(missing)
    for place in range(0, len(data), size):
        incoming.add(data[place : place + size])
        if incoming.is_complete:
            return incoming, min(place + size, len(data))
    return incoming, 0


@pytest.mark.parametrize("size", range(1, 40))
@pytest.mark.parametrize("before", [b"", b"\r\n"])
def test_the_end_of_a_head_is_found_in_any_pieces(before: bytes, size: int) -> None:
    data = before + HEAD
    incoming, after = fed(data + b"next", size)
    assert incoming.is_complete
    assert after - size < len(data) <= after
    assert fed(data[:-1], size)[1] == 0


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\r\nA: b\nc\r\n", b"\n"])
def test_what_no_end_would_make_a_request_is_not_waited_for(data: bytes, size: int) -> None:
    assert fed(data, size)[0].is_complete


@pytest.mark.parametrize("size", [1, 7, 100, 4096])
def test_a_head_without_an_end_is_bounded(size: int) -> None:
    line = b"A: " + b"b" * 995 + b"\r\n"
    with pytest.raises(ProbedeckError) as refusal:
        fed(b"GET / HTTP/1.1\r\n" + line * 100, size)
    assert refusal.value.status == 431
    incoming, after = fed(b"GET /" + b"x" * 100_000, size)
    assert incoming.is_complete, "the parser will say that the line is too long"
    assert after < 5000 + size


class Counting(bytearray):
    """Counts the bytes that searches go over."""

    looked = 0

    def find(self, sub, start=0, end=None):  # type: ignore[no-untyped-def,override]
        self.looked += max(0, (len(self) if end is None else min(end, len(self))) - start)
        return super().find(sub, start, len(self) if end is None else end)

    def count(self, sub, start=0):  # type: ignore[no-untyped-def,override]
        self.looked += max(0, len(self) - start)
        return super().count(sub, start)


@pytest.mark.parametrize("size", [1, 2, 3, 16, RECEIVE_BYTES])
def test_the_work_grows_with_the_bytes_and_not_with_their_square(size: int) -> None:
    incoming = IncomingRequest()
    incoming.data = Counting()
    data = (b"GET / HTTP/1.1\r\n" + b"A: bcdefgh\r\n" * 10_000)[:MAX_HEAD_BYTES]
    for place in range(0, len(data), size):
        incoming.add(data[place : place + size])
        assert not incoming.is_complete
    assert incoming.data.looked <= 4 * len(data) + 10 * len(data) / size


def test_a_body_is_counted() -> None:
    incoming, after = fed(b"x" * 100, 7, missing=50)
    assert incoming.is_complete
    assert after == 56


def parsed(raw: str) -> tuple[Request, ReceivedBytes]:
    received = ReceivedBytes(raw.replace("\n", "\r\n").encode())
    return Request(Config(), received, ("127.0.0.1", 1)), received


@pytest.mark.parametrize(
    ("raw", "missing"),
    [
        ("GET / HTTP/1.1\n\n", 0),
        ("GET / HTTP/1.1\nContent-Length: 9\n\n", 0),  # answered, and the connection closed
        ("POST / HTTP/1.1\n\n", 0),
        ("POST / HTTP/1.1\nContent-Length: 0\n\n", 0),
        ("POST / HTTP/1.1\nContent-Length: 5\n\n12345", 0),
        ("POST / HTTP/1.1\nContent-Length: 5\n\n12345GET / HTTP/1.1", 0),
        ("POST / HTTP/1.1\nContent-Length: 5\n\n123", 2),
        ("POST / HTTP/1.1\nContent-Length: 16384\n\n", 16384),
        ("POST / HTTP/1.1\nContent-Length: 16385\n\n", 413),
        ("POST / HTTP/1.1\nContent-Length: 99999999999\n\n", 413),
        ("POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n", 411),
        ("GET / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\n", 411),
    ],
)
def test_how_much_of_a_body_is_missing(raw: str, missing: int) -> None:
    try:
        assert missing_bytes(*parsed(raw)) == missing
    except ProbedeckError as error:
        assert error.status == missing


def test_the_rest_of_a_body_and_what_follows_it() -> None:
    request, received = parsed("POST / HTTP/1.1\nContent-Length: 5\n\n123")
    received.add(b"45GET /")
    assert missing_bytes(request, received) == 0
    assert request.body.read(100) == b"12345"
    assert received.take_buffered() == b"GET /"


def test_random_cuts_change_nothing() -> None:
    chance = random.Random(1)
    for _ in range(200):
        incoming, rest = IncomingRequest(), HEAD
        while rest:
            size = chance.randint(1, len(rest))
            incoming.add(rest[:size])
            rest = rest[size:]
            assert incoming.is_complete == (not rest)
        assert incoming.data == HEAD
