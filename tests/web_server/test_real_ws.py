# SPDX-License-Identifier: Apache-2.0
"""The websocket over real sockets: frames, the stream limit, and no thread left behind.

What is refused is in tests/integration/test_hostile_ws.py.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from simple_websocket import ConnectionClosed

from app.web.api.rows import rows_of
from tests.support.waiting import wait_until
from tests.support.web_fakes import MIB
from tests.support.websocket_frames import close_code, frame
from tests.web_server.web_clients import KEY, Server, running

STREAMS = 4
# Slow enough that the kernel tells the server of nothing read for longer than 8 s where a receive
# buffer may grow to 32 MB.
SLOW_READS, SLOW_BYTES, SLOW_PAUSE_S = 250, 10_000, 0.1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--max-websockets", str(STREAMS), "--threads", "16")
    with running(tmp_path_factory.mktemp("ws") / "run", *options) as server:
        yield server


def test_hello_then_batches_then_control(server: Server) -> None:
    server.request("POST", "/probes/tracepoint")
    with server.websocket("?probe=tracepoint") as websocket:
        hello = json.loads(websocket.receive(timeout=30))
        assert (hello["type"], hello["version"], len(hello["probes"])) == ("hello", 1, 5)
        assert isinstance(hello["client"], int)
        assert hello["service"]
        names = [row["filename"] for row in rows_of(bytes(websocket.receive(timeout=30)))]
        assert names == ["/tmp/a", "/tmp/\x1b[31m", None]
    wait_until(lambda: server.clients() == 0, "the websocket notices that its client left")


def test_without_recent_only_live_batches_come(server: Server) -> None:
    server.request("POST", "/probes/tracepoint")
    with server.websocket("?recent=0") as websocket:
        assert json.loads(websocket.receive(timeout=30))["type"] == "hello"
        server.request("POST", "/probes/fentry")
        assert next(rows_of(bytes(websocket.receive(timeout=30))))["probe"] == "fentry"
        server.request("DELETE", "/probes/fentry")


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def test_a_browsers_handshake_and_no_compression(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(
            f"GET /ws HTTP/1.1\r\nHost: localhost:{server.port}\r\n"
            f"Origin: http://localhost:{server.port}\r\nUser-Agent: Mozilla/5.0\r\n"
            "Sec-Fetch-Site: same-origin\r\nConnection: keep-alive, Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # RFC 6455, 1.3
    assert b"extensions" not in head.lower()


def test_streams_are_counted_and_released(server: Server) -> None:
    wait_until(lambda: server.clients() == 0, "earlier clients are gone")
    with ExitStack() as visitors:
        for _ in range(STREAMS - 1):
            visitors.enter_context(server.websocket())
        stream = visitors.enter_context(server.connect())
        server.ask_for_stream(stream)
        wait_until(lambda: server.clients() == STREAMS, "the stream limit to be reached")
        for path in ("/ws", "/events/stream"):
            response, body = server.request("GET", path, UPGRADE if path == "/ws" else {})
            assert (response.status, json.loads(body)["code"]) == (503, "busy")
        assert server.request("GET", "/healthz")[0].status == 200
    wait_until(lambda: server.clients() == 0, "the streams to be released")
    with server.websocket() as again:
        assert json.loads(again.receive(timeout=30))["type"] == "hello"


def test_no_thread_stays_when_clients_leave(server: Server) -> None:
    wait_until(lambda: server.clients() == 0, "earlier clients are gone")

    def visit() -> None:
        polite, rude, reset = (server.connect() for _ in range(3))
        for connection in (polite, rude, reset):
            server.upgrade(connection)
        polite.sendall(frame(8, struct.pack(">H", 1000)))
        assert close_code(polite) == 1000
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for connection in (polite, rude, reset):
            connection.close()
        wait_until(lambda: server.clients() == 0, "the visitors are gone")

    before = len(server.threads())
    for _ in range(10):
        visit()
    # The pool may have grown to its full size; 30 visitors would leave more threads than that.
    wait_until(lambda: len(server.threads()) < before + 16, "the threads of the visitors ended")
    (worker,) = server.workers()
    descriptors = Path(f"/proc/{worker}/fd")
    sockets = [str(each.readlink()) for each in descriptors.iterdir()]
    assert len([name for name in sockets if name.startswith("socket:")]) < 10


def test_what_a_client_sends_is_ignored(server: Server) -> None:
    with server.websocket("?recent=0") as websocket:
        for size in (0, 1, 4096):
            websocket.send(b"x" * size)
        websocket.send("text")
        server.request("POST", "/probes/fentry")
        assert json.loads(websocket.receive(timeout=30))["type"] == "hello"
        assert isinstance(websocket.receive(timeout=30), bytes | bytearray)
        server.request("DELETE", "/probes/fentry")


def test_random_bytes_do_no_harm(server: Server) -> None:
    chance = random.Random(20261122)
    for _ in range(30):
        with server.connect() as connection:
            server.upgrade(connection, "?recent=0")
            connection.sendall(chance.randbytes(chance.randrange(1, 3000)))
            connection.shutdown(socket.SHUT_WR)
            close_code(connection)
        wait_until(lambda: server.clients() == 0, "its subscription ended")
    assert server.request("GET", "/healthz")[0].status == 200


def test_a_ping_is_answered_between_large_frames(server: Server) -> None:
    server.request("POST", "/probes/kprobe")
    try:
        with server.connect() as connection:
            server.upgrade(connection, "?recent=0")
            for number in range(50):
                connection.sendall(frame(9, b"%d" % number))
            pongs = []
            reader = connection.makefile("rb")
            while len(pongs) < 50:
                first, size = reader.read(2)
                size = (
                    int.from_bytes(reader.read({126: 2, 127: 8}[size]), "big")
                    if size > 125
                    else size
                )
                payload = reader.read(size)
                # A frame cut in two would show here as an opcode of no kind.
                assert first in (0x81, 0x82, 0x8A)
                if first == 0x8A:
                    pongs.append(int(payload))
            assert pongs == list(range(50))
            reader.close()
    finally:
        server.request("DELETE", "/probes/kprobe")


def test_a_client_that_does_not_read_is_dropped(tmp_path: Path) -> None:
    with running(tmp_path / "run", "--stalled-after", "1") as server:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            server.upgrade(connection)
            wait_until(lambda: server.clients() == 1, "the websocket is subscribed")
            server.request("POST", "/probes/kprobe")
            wait_until(lambda: server.clients() == 0, "the client that reads nothing is dropped")
        assert server.end() == (0, "")


def test_clients_that_read_slowly_are_kept(tmp_path: Path) -> None:
    """Also when they have read fast before, and their kernel holds much that they have not read."""
    with (
        running(tmp_path / "run") as server,
        server.connect() as websocket,
        server.connect() as ndjson,
    ):
        server.upgrade(websocket)
        server.ask_for_stream(ndjson)
        wait_until(lambda: server.clients() == 2, "both are subscribed")
        server.request("POST", "/probes/kprobe")
        for connection in (websocket, ndjson):
            read_some(connection, 64 * MIB, 1 << 16)
        for _ in range(SLOW_READS):
            for connection in (websocket, ndjson):
                read_some(connection, SLOW_BYTES, SLOW_BYTES)
            time.sleep(SLOW_PAUSE_S)
        assert server.clients() == 2
        server.request("DELETE", "/probes/kprobe")


def read_some(connection: socket.socket, size_bytes: int, piece_bytes: int) -> None:
    while size_bytes > 0:
        piece = connection.recv(piece_bytes)
        assert piece, "dropped"
        size_bytes -= len(piece)


def test_a_client_that_never_answers_a_ping_is_closed(tmp_path: Path) -> None:
    options = ("--ping-every", "0.1", "--pong-within", "1")
    with (
        running(tmp_path / "run", *options) as server,
        server.websocket(),
        server.connect() as silent,
    ):
        server.upgrade(silent)
        assert close_code(silent) == 1008
        assert server.clients() == 1  # the one that answers stays


def test_the_end_of_the_service_is_going_away(tmp_path: Path) -> None:
    with running(tmp_path / "run") as server, server.websocket() as websocket:
        assert json.loads(websocket.receive(timeout=30))["type"] == "hello"
        assert server.end() == (0, "")
        with pytest.raises(ConnectionClosed) as closed:
            websocket.receive(timeout=30)
        assert closed.value.reason == 1001
