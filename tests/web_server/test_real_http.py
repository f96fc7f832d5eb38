# SPDX-License-Identifier: Apache-2.0
"""The real gunicorn over real sockets: what it answers.

What it refuses is in tests/integration/test_hostile_http.py.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.version import VERSION
from tests.support.waiting import PATIENCE_S, wait_until
from tests.web_server.web_clients import Server, free_port, running, start


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("http") / "run") as server:
        yield server


END = "Connection: close\n\n"


@pytest.mark.parametrize("target", ["/healthz", "http://LOCAL/healthz"])
def test_a_plain_request(server: Server, target: str) -> None:
    answer = server.send(f"GET {target} HTTP/1.1\nHost: LOCAL\n{END}")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b'{"status":"ok","version":"%s"}\n' % VERSION.encode())


def test_every_request_of_a_connection_is_checked(server: Server) -> None:
    with server.connect() as connection, connection.makefile("rb") as answers:
        good = f"GET /healthz HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode()
        bad = b"GET /healthz HTTP/1.1\r\nHost: evil.test\r\n\r\n"
        for sent, expected in [(good, b"200"), (bad, b"403"), (good, b"200")]:
            connection.sendall(sent)
            assert answers.readline().split()[1] == expected
            length = 0
            while (line := answers.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.read(length)


def test_localhost_is_ours_on_ipv6_too(server: Server) -> None:
    if not Path("/proc/net/tcp6").exists():
        pytest.skip("no IPv6 here")
    with server.connect("::1") as connection:
        connection.sendall(f"GET /healthz HTTP/1.0\r\nHost: [::1]:{server.port}\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.0 200"


def test_a_bodiless_post_starts_a_probe(server: Server) -> None:
    # What `curl -X POST localhost:5000/probes/fexit` sends.
    answer = server.send(f"POST /probes/fexit HTTP/1.1\nHost: LOCAL\nAccept: */*\n{END}")
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b"\r\nLocation: /probes/fexit\r\n" in answer


def test_the_web_process_loads_neither_numpy_nor_bcc(server: Server) -> None:
    server.request("POST", "/probes/tracepoint")
    assert server.json("GET", "/events")["events"]  # decoded: whatever that needs is loaded now
    (worker,) = server.workers()
    maps = Path(f"/proc/{worker}/maps").read_text()
    assert "nanoarrow" in maps
    assert not [word for word in ("numpy", "libbcc", "libLLVM", "pydantic") if word in maps]


def test_a_client_that_holds_its_end_open_holds_up_nobody(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.0 403 ")
        assert server.request("GET", "/healthz")[0].status == 200


def test_it_answers_while_the_modes_are_checked(tmp_path: Path) -> None:
    with running(tmp_path / "run", "--check-waits") as server:  # until it answered /healthz
        assert server.request("GET", "/openapi.json")[0].status == 200
        assert server.process.stdout is not None
        assert "http://localhost:" in server.process.stdout.readline()
        assert "tokens" in server.process.stdout.readline()
        (server.run_dir / "go").touch()
        assert server.process.stdout.readline().startswith("  modes: ")
        assert server.end() == (0, "")


def test_a_check_that_fails_ends_the_service(tmp_path: Path) -> None:
    process = start(tmp_path / "run", free_port(), "--check-fails")
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert "RuntimeError: no kernel" in errors
    assert process.returncode == 3  # so that a service manager starts it again


def test_the_stream_is_lines_of_json(server: Server) -> None:
    server.request("POST", "/probes/tracepoint")
    with server.connect() as connection, connection.makefile("rb") as answer:
        connection.sendall(
            "GET /events/stream?probe=tracepoint&recent=1 HTTP/1.0\r\n"
            f"Host: localhost:{server.port}\r\n\r\n".encode()
        )
        head = b"".join(iter(answer.readline, b"\r\n"))
        assert head.startswith(b"HTTP/1.0 200 OK\r\n")
        assert b"\r\nContent-Type: application/x-ndjson\r\n" in head
        rows = [json.loads(answer.readline()) for _ in range(3)]
        assert [row["filename"] for row in rows] == ["/tmp/a", "/tmp/\x1b[31m", None]
        assert server.clients() == 1
    wait_until(lambda: server.clients() == 0, "the stream notices that its client left")


def test_the_head_of_a_stream_does_not_answer_for_ever(server: Server) -> None:
    assert server.request("HEAD", "/events/stream")[0].status == 200
    assert server.request("GET", "/events/stream?probe=nonesuch")[0].status == 404
    assert server.clients() == 0


def test_a_stream_that_is_not_read_is_freed(tmp_path: Path) -> None:
    with running(tmp_path / "run", "--stalled-after", "1") as server:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            server.ask_for_stream(connection)
            wait_until(lambda: server.clients() == 1, "the stream has begun")
            server.request("POST", "/probes/kprobe")
            wait_until(lambda: server.clients() == 0, "the stream that nobody reads is dropped")
        assert server.end() == (0, "")
