# SPDX-License-Identifier: Apache-2.0
"""The hostile list, websockets: handshakes, frames and clients against the real service.

Where a wait is shortened for the test, it is in tests/web_server/test_real_ws.py: a client that
never reads, one that never answers a ping.
"""

from __future__ import annotations

import socket
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.calls import Workload
from tests.support.figures import figure
from tests.support.hostile import FILTER, POOL, Besieged
from tests.support.waiting import PATIENCE_S, wait_until
from tests.support.websocket_frames import close_code, frame

SEATS = 24  # websockets and streams at once, by default
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, 1.3
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


@pytest.fixture(autouse=True)
def unchanged(besieged: Besieged) -> Iterator[None]:
    yield
    besieged.check_unchanged()


def handshake(
    path: str = "/ws?recent=0", method: str = "GET", version: str = "1.1", **changes: str | None
) -> str:
    """The request's text; `changes` are headers with `_` for `-`, None takes one out."""
    headers = {**UPGRADE, **{name.replace("_", "-"): value for name, value in changes.items()}}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\n".join([f"{method} {path} HTTP/{version}", "Host: LOCAL", *lines, "", ""])


def upgraded(besieged: Besieged, stack: ExitStack) -> socket.socket:
    connection = stack.enter_context(besieged.connect())
    connection.sendall(besieged.filled(handshake()))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        assert piece, head
        head += piece
    assert head.startswith(b"HTTP/1.1 101 "), head
    return connection


BAD = (400, "bad_request")
ORIGIN = (403, "bad_origin")
HANDSHAKES = {
    "no key": (handshake(Sec_WebSocket_Key=None), BAD),
    "short key": (handshake(Sec_WebSocket_Key="x"), BAD),
    "key of 9 bytes": (handshake(Sec_WebSocket_Key="dG9vIHNob3J0"), BAD),
    "long key": (handshake(Sec_WebSocket_Key="A" * 4000), BAD),
    "two keys": (handshake(Sec_WebSocket_Key=f"{KEY}\nSec-WebSocket-Key: {KEY}"), BAD),
    "no version": (handshake(Sec_WebSocket_Version=None), BAD),
    "version 8": (handshake(Sec_WebSocket_Version="8"), BAD),
    "version 99": (handshake(Sec_WebSocket_Version="99"), BAD),
    "two versions": (handshake(Sec_WebSocket_Version="13, 8"), BAD),
    "no upgrade": (handshake(Upgrade=None), BAD),
    "h2c": (handshake(Upgrade="h2c"), BAD),
    "no connection": (handshake(Connection=None), BAD),
    "HTTP/1.0": (handshake(version="1.0"), BAD),
    "header not ASCII": (handshake(X_Odd="caf\xe9"), BAD),
    "elsewhere": (handshake("/probes/nonesuch"), BAD),
    "POST": (handshake(method="POST"), (405, "method_not_allowed")),
    "DELETE of a probe": (handshake("/probes/nonesuch", "DELETE"), BAD),
    "unknown probe": (handshake("/ws?probe=nonesuch"), (404, "unknown_probe")),
    "probe with a newline": (handshake("/ws?probe=a%0ab"), (404, "unknown_probe")),
    "probe of 4 kB": (handshake(f"/ws?probe={'x' * 4000}"), (404, "unknown_probe")),
    "odd query": (handshake("/ws?recent=yes"), (422, "invalid")),
    "unknown query": (handshake("/ws?limit=5"), (422, "invalid")),
    "token in the query": (handshake("/ws?token=x"), (422, "invalid")),
    "evil host": (handshake().replace("LOCAL", "evil.test"), (403, "bad_host")),
    "evil origin": (handshake(Origin="http://evil.test"), ORIGIN),
    "evil origin, alike": (handshake(Origin="http://LOCAL.evil.test"), ORIGIN),
    "origin null": (handshake(Origin="null"), ORIGIN),
    "origin of https": (handshake(Origin="https://LOCAL"), ORIGIN),
    "browser without origin": (handshake(User_Agent="Mozilla/5.0"), ORIGIN),
    "newer browser without origin": (handshake(Sec_Fetch_Mode="websocket"), ORIGIN),
    "another site": (
        handshake(Origin="http://LOCAL", Sec_Fetch_Site="cross-site"),
        (403, "cross_site"),
    ),
    "proxy": (handshake(X_Forwarded_For="127.0.0.1"), (403, "forbidden")),
    "wrong token": (
        handshake(Sec_WebSocket_Protocol="probedeck.v1, bearer.pd_x"),
        (401, "bad_token"),
    ),
}


@pytest.mark.parametrize(("text", "expected"), HANDSHAKES.values(), ids=HANDSHAKES)
def test_handshakes(besieged: Besieged, text: str, expected: tuple[int, str]) -> None:
    answer = besieged.send(text, all_of_them=False)
    assert (answer.status, answer.code) == expected


BOMB = zlib.compress(bytes(10_000_000))
FRAMES = {
    "4,097 bytes": (frame(2, b"x" * 4097), 1009),
    "4,097 bytes in two": (frame(2, b"x" * 4096, fin=False) + frame(0, b"x"), 1009),
    "text that is none": (frame(1, b"\xff\xff"), 1007),
    "text that ends within a character": (frame(1, b"\xe2\x82"), 1007),
    "continuation of nothing": (frame(0, b"x"), 1002),
    "begun twice": (frame(1, b"x", fin=False) + frame(1, b"x"), 1002),
    "opcode 3": (frame(3, b"x"), 1002),
    "opcode 11": (frame(11, b"x"), 1002),
    "not masked": (bytes([0x81, 1, 65]), 1002),
    "ping of 200 bytes": (frame(9, b"x" * 200), 1002),
    "ping in pieces": (frame(9, b"x", fin=False), 1002),
    "compressed, which was not agreed on": (bytes([0xC2]) + frame(2, BOMB[:4000])[1:], 1002),
    "second reserved bit": (bytes([0xA2]) + frame(2, b"x")[1:], 1002),
    "length not in its shortest form": (bytes([0x82, 0xFE, 0, 5]) + bytes(9), 1002),
    "length of 2^63": (bytes([0x82, 0xFF, 0x80]) + bytes(7 + 4), 1002),
    "close with one byte": (frame(8, b"x"), 1002),
    "close with a code that is none": (frame(8, struct.pack(">H", 999)), 1002),
    "close with a reserved code": (frame(8, struct.pack(">H", 1005)), 1002),
    "close with text that is none": (frame(8, struct.pack(">H", 1000) + b"\xff"), 1007),
    "own close code": (frame(8, struct.pack(">H", 4000) + b"bye"), 4000),
    "close without a code": (frame(8, b""), 1005),
}


@pytest.mark.parametrize(("frames", "code"), FRAMES.values(), ids=FRAMES)
def test_frames_against_the_protocol_close(besieged: Besieged, frames: bytes, code: int) -> None:
    with ExitStack() as stack:
        connection = upgraded(besieged, stack)
        connection.sendall(frames)
        assert close_code(connection) == code


def send_until_refused(connection: socket.socket, data: bytes, times: int) -> int:
    """Send until the other side closes; return how many bytes were sent."""
    sent = 0
    for _ in range(times):
        try:
            connection.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            break
        sent += len(data)
    return sent


def memory_kib(besieged: Besieged) -> int:
    """What the worker holds."""
    status = (besieged.worker / "status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def test_a_message_of_100_mb_is_not_taken(besieged: Besieged) -> None:
    before_kib = memory_kib(besieged)
    with ExitStack() as stack:
        connection = upgraded(besieged, stack)
        connection.sendall(bytes([0x82, 0xFF]) + struct.pack(">Q", 100_000_000) + bytes(4))
        sent = send_until_refused(connection, bytes(100_000), 1000)
        assert sent < 50_000_000
    assert memory_kib(besieged) - before_kib < 50_000


def test_endless_fragments_end(besieged: Besieged) -> None:
    """With content the message becomes too long; without, nothing is buffered."""
    with ExitStack() as stack:
        connection = upgraded(besieged, stack)
        connection.sendall(frame(2, b"x", fin=False))
        connection.sendall(frame(0, b"x", fin=False) * 4096)
        assert close_code(connection) == 1009
        empty = upgraded(besieged, stack)
        empty.sendall(frame(2, b"", fin=False))
        before_kib = memory_kib(besieged)
        send_until_refused(empty, frame(0, b"", fin=False) * 1000, 100)
        empty.sendall(frame(0, b"") + frame(8, struct.pack(">H", 1000)))
        assert close_code(empty) == 1000
        assert memory_kib(besieged) - before_kib < 50_000


def test_a_flood_of_pings_holds_up_nobody(besieged: Besieged) -> None:
    """It does not read its pongs: the service stops reading pings and drops the client."""
    with ExitStack() as stack:
        flood = upgraded(besieged, stack)
        flood.settimeout(PATIENCE_S)
        slowest_s = 0.0
        before_kib = memory_kib(besieged)
        pings = frame(9, b"x" * 125) * 1000
        flood.settimeout(0.1)
        ended = False
        while not ended:
            try:
                flood.sendall(pings)
            except TimeoutError:
                pass  # full: nothing is taken any more
            except (BrokenPipeError, ConnectionResetError):
                ended = True
            began_s = time.monotonic()
            assert besieged.service.request("GET", "/healthz").status == 200
            slowest_s = max(slowest_s, time.monotonic() - began_s)
        assert memory_kib(besieged) - before_kib < 50_000
        figure("flood of pings, slowest /healthz meanwhile", f"{slowest_s * 1000:.0f} ms")


@pytest.mark.parametrize("count", [POOL + 16])
def test_more_clients_than_threads(besieged: Besieged, count: int) -> None:
    """As many as the stream limit are served, the others refused; plain requests go on."""
    with ExitStack() as stack:
        connections = [stack.enter_context(besieged.connect()) for _ in range(count)]
        for connection in connections:
            connection.sendall(besieged.filled(handshake()))
        statuses = []
        for connection in connections:
            line = connection.recv(12)
            statuses.append(int(line.split()[1]))
        assert statuses.count(101) == SEATS
        assert statuses.count(503) == count - SEATS
        assert besieged.service.request("GET", "/healthz").status == 200
        refused = connections[statuses.index(503)]
        assert b'"code": "busy"' in refused.recv(65536)


def test_resets_in_the_middle_of_a_batch(besieged: Besieged) -> None:
    """Clients that vanish while events are sent to them."""
    with Workload(comm=FILTER["comm"]) as workload:
        for _ in range(5):
            with ExitStack() as stack:
                connections = [upgraded(besieged, stack) for _ in range(5)]
                workload.begin("flood", count=10**9, name_bytes=60, threads=1, pause_every=10)
                for connection in connections:
                    connection.recv(1)
                    reset = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                    connection.close()
                workload.end_flood()
            wait_until(lambda: besieged.clients() == 0, "the clients to be gone")
    besieged.accept_counters()
