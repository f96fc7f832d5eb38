# SPDX-License-Identifier: Apache-2.0
"""Shared by the hostile tests: send raw bytes to the service, check that nothing changed."""

from __future__ import annotations

import json
import re
import select
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.fixtures import stop_all
from tests.support.service import Service
from tests.support.waiting import PATIENCE_S, wait_until

POOL = 64  # threads of the web server, by default
# Those, the main thread, and a few of hub, manager and tracer.
MOST_THREADS = POOL + 8
# No process here has this name, so the counters stay as they are.
FILTER = {"comm": "nobody-is-this"}
# What a request could change, and must not here.
KEPT = ("id", "state", "filter", "duration_s", "started_at", "ended", "changed_by", "counters")


@dataclass(frozen=True)
class Refusal:
    """A complete answer, as received."""

    status: int
    code: str | None
    raw: bytes


class Besieged:
    """A service with a running probe and its state before; `check_unchanged` compares."""

    def __init__(self, service: Service, mode: str) -> None:
        self.service, self.mode, self.port = service, mode, service.port
        stop_all(service)
        service.start(mode, filter=FILTER)
        wait_until(lambda: self.clients() == 0, "earlier clients to be gone")
        self.worker = Path(f"/proc/{service.worker().pid}")
        self._said = service.log.read_text(errors="replace")
        self._state = self.state()
        self._descriptors = self._count("fd")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def filled(self, raw: str | bytes) -> bytes:
        """Lines end in CRLF; LOCAL stands for the right Host, MODE for the running probe."""
        data = raw if isinstance(raw, bytes) else raw.replace("\n", "\r\n").encode("latin-1")
        data = data.replace(b"LOCAL", b"localhost:%d" % self.port)
        return data.replace(b"MODE", self.mode.encode())

    def send(self, raw: str | bytes, *, all_of_them: bool = True) -> Refusal:
        """Send raw bytes and return everything received, or the first answer."""
        with closing(self.connect()) as connection:
            connection.sendall(self.filled(raw))
            return read_answer(connection, all_of_them=all_of_them)

    def state(self) -> Any:
        probes = self.service.expect(200, "GET", "/probes")["probes"]
        return [{name: probe[name] for name in KEPT} for probe in probes]

    def clients(self) -> int:
        return sum(len(probe["clients"]) for probe in self.service.probes().values())

    def accept_counters(self) -> None:
        """Accept the probe's counters as they are: events were made on purpose."""
        self.service.change(self.mode)  # which brings the totals until now
        self._state = self.state()

    def _count(self, what: str) -> int:
        return len(list((self.worker / what).iterdir()))

    def check_unchanged(self) -> None:
        """Check that it serves, its probes are as before, and nothing has leaked."""
        answer = self.service.request("GET", "/healthz")
        assert (answer.status, answer.json["status"]) == (200, "ok")
        wait_until(lambda: self.clients() == 0, "its clients to be gone")
        assert self.state() == self._state
        wait_until(lambda: self._count("task") <= MOST_THREADS, "its threads to end")
        wait_until(lambda: self._count("fd") <= self._descriptors, "its descriptors to be closed")
        said = self.service.log.read_text(errors="replace")
        new, self._said = said[len(self._said) :], said
        assert "Traceback" not in new


@pytest.fixture(scope="module")
def besieged(session_service: Service, modes: tuple[str, ...]) -> Iterator[Besieged]:
    """The service with one probe running, which no hostile input may change."""
    yield Besieged(session_service, modes[-1])
    session_service.stop(modes[-1])


def served_beside(service: Service, held: Iterable[socket.socket], threads: int = POOL) -> None:
    """Check that the service answers a request before it cuts off the clients it waits for.

    If each of them held a thread, the request would be served only after most had been cut off.
    """
    assert service.request("GET", "/healthz").status == 200
    left = len(unanswered(held))
    assert left > threads, f"{left} were left: it had to wait for the others"


def unanswered(connections: Iterable[socket.socket]) -> list[socket.socket]:
    """Return the connections that have received neither an answer nor an end."""
    connections = list(connections)
    poller = select.poll()  # which takes descriptors above 1023 as well
    for connection in connections:
        poller.register(connection, select.POLLIN)
    told = {descriptor for descriptor, _ in poller.poll(0)}
    return [connection for connection in connections if connection.fileno() not in told]


def read_answer(connection: socket.socket, *, all_of_them: bool = True) -> Refusal:
    """Read to the end of the connection, or to that of the first answer."""
    raw = b""
    try:
        while piece := connection.recv(65536):
            raw += piece
            head, end, body = raw.partition(b"\r\n\r\n")
            size = re.search(rb"\r\nContent-Length: (\d+)", head)
            if end and size and not all_of_them and len(body) >= int(size[1]):
                break
    except ConnectionResetError:
        pass  # everything was received
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head, "no answer"
    code = None
    if b"\r\nContent-Type: application/problem+json" in head:
        problem = json.loads(body)
        code = problem["code"]
        assert problem["status"] == int(head.split()[1])
        assert problem["detail"]
        assert all(32 <= byte < 127 for byte in body.rstrip(b"\n")), "a line of plain ASCII"
    return Refusal(int(head.split()[1]), code, raw)


def start_at_once(
    service: Service, mode: str, count: int, bodies: list[bytes] | None = None
) -> list[Refusal]:
    """Open this many connections, request the start on each, and return the answers."""
    bodies = bodies or [json.dumps({"filter": FILTER}).encode()]
    connections = [
        socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_S)
        for _ in range(count)
    ]
    try:
        for number, connection in enumerate(connections):
            body = bodies[number % len(bodies)]
            connection.sendall(
                b"POST /probes/%b HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (mode.encode(), service.port, len(body), body)
            )
        return [read_answer(connection) for connection in connections]
    finally:
        for connection in connections:
            connection.close()
