# SPDX-License-Identifier: Apache-2.0
"""A running web server, and clients that talk to it over real sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from simple_websocket import Client

from app import ROOT
from tests.support.waiting import PATIENCE_S, wait_until

PROGRAM = "tests.web_server.web_server"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455, 1.3


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class WebsocketClient(Client):
    """simple-websocket's client with the port in its Host header, where RFC 6455 wants it."""

    def handshake(self) -> None:
        self.host = f"{self.host}:{self.port}"
        super().handshake()


class Server:
    """A running server; `process` is gunicorn's arbiter."""

    def __init__(self, process: subprocess.Popen[str], port: int, run_dir: Path) -> None:
        self.process, self.port, self.run_dir = process, port, run_dir

    def request(
        self, method: str, path: str, headers: dict[str, str] | None = None
    ) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def json(self, method: str, path: str) -> Any:
        return json.loads(self.request(method, path)[1])

    def connect(self, address: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection((address, self.port), timeout=PATIENCE_S)

    def send(self, raw: str | bytes) -> bytes:
        """Return the whole answer to raw bytes; LOCAL is replaced by the right Host."""
        data = raw if isinstance(raw, bytes) else raw.replace("\n", "\r\n").encode("latin-1")
        with self.connect() as connection:
            connection.sendall(data.replace(b"LOCAL", b"localhost:%d" % self.port))
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            return answer

    @contextmanager
    def websocket(self, query: str = "") -> Iterator[WebsocketClient]:
        client = WebsocketClient.connect(f"ws://localhost:{self.port}/ws{query}")
        try:
            yield client
        finally:
            if client.connected:
                client.close()

    def upgrade(self, connection: socket.socket, query: str = "") -> None:
        """A websocket handshake by hand, which must succeed."""
        connection.sendall(
            f"GET /ws{query} HTTP/1.1\r\nHost: localhost:{self.port}\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = connection.recv(1)
            assert piece, head
            head += piece
        assert head.startswith(b"HTTP/1.1 101 "), head

    def ask_for_stream(self, connection: socket.socket) -> None:
        """Send the request for the stream of events, by hand."""
        host = f"Host: localhost:{self.port}"
        connection.sendall(f"GET /events/stream HTTP/1.1\r\n{host}\r\n\r\n".encode())

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def threads(self) -> list[str]:
        """The worker's threads, by number."""
        (pid,) = self.workers()
        return [each.name for each in Path(f"/proc/{pid}/task").iterdir()]

    def clients(self) -> int:
        """Return how many websockets and streams the service says it serves."""
        probes = self.json("GET", "/probes")["probes"]
        return len({client["client"] for probe in probes for client in probe["clients"]})

    def end(self, sig: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; the exit code and what went to stderr."""
        self.process.send_signal(sig)
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, errors


@contextmanager
def running(run_dir: Path, *options: str, port: int | None = None) -> Iterator[Server]:
    """Start a server and wait until it serves; kill what is left of it afterwards."""
    port = port or free_port()
    process = start(run_dir, port, *options)
    server = Server(process, port, run_dir)
    try:
        wait_until(lambda: _serves(server), "the server to serve")
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)


def start(run_dir: Path, port: int, *options: str) -> subprocess.Popen[str]:
    arguments = ["--port", str(port), "--run-dir", str(run_dir), "--owner-uid", str(os.getuid())]
    # Not this machine's own.
    arguments += ["--cache-dir", str(run_dir.parent / "cache")]
    arguments += ["--audit-log", str(run_dir.parent / "audit.jsonl")]
    arguments += ["--recent-mib", "4", "--client-queue-mib", "2"]
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", PROGRAM, *arguments, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _serves(server: Server) -> bool:
    if server.process.poll() is not None:
        raise AssertionError(server.process.communicate(timeout=PATIENCE_S))
    try:
        return server.request("GET", "/healthz")[0].status == 200
    except OSError:
        return False
