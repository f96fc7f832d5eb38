# SPDX-License-Identifier: Apache-2.0
"""Probes with names of their own, over real sockets, and those who ask for what they may not.

The probe manager and its planner are fakes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.access.tokens import OPERATOR, VIEWER, TokenFile
from tests.web_server.web_clients import Server, running

READS = {"function": "vfs_read", "columns": ["count"], "where": "count>1"}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("probes") / "run") as server:
        yield server
        assert server.end() == (0, ""), "the server had something to say"


def send(
    server: Server, method: str, path: str, body: Any = None, token: str | None = None
) -> tuple[int, Any]:
    """Send the path as it is, and return status and JSON of the answer."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "Content-Type: application/json\r\n" if data else ""
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: LOCAL\r\nConnection: close\r\n{kind}{bearer}"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    answer = server.send(head.encode("latin-1") + data)
    return int(answer.split(b" ", 2)[1]), json.loads(answer.partition(b"\r\n\r\n")[2])


def names(server: Server) -> list[str]:
    return [probe["id"] for probe in server.json("GET", "/probes")["probes"]][5:]


def test_a_probe_from_its_start_to_its_end(server: Server) -> None:
    status, started = send(server, "POST", "/probes/reads", READS)
    assert (status, started["id"], started["where"]) == (201, "reads", "count>1")
    assert send(server, "POST", "/probes/reads", READS)[0] == 200
    assert send(server, "POST", "/probes/reads", {**READS, "where": "a"})[0] == 409
    with server.websocket("?probe=reads") as client:
        assert "reads" in [probe["id"] for probe in json.loads(client.receive())["probes"]]
    assert send(server, "PATCH", "/probes/reads", {"where": None})[1]["where"] is None
    assert names(server) == ["reads"]
    assert send(server, "DELETE", "/probes/reads")[1]["state"] == "stopped"
    assert names(server) == []
    for path in ("/probes/reads", "/events?probe=reads", "/events/stream?probe=reads"):
        status, problem = send(server, "GET", path)
        assert (status, problem["code"]) == (404, "unknown_probe")


def test_a_viewer_starts_changes_and_stops_nothing(server: Server) -> None:
    tokens = TokenFile(server.run_dir)
    viewer, operator = tokens.add("see", VIEWER), tokens.add("do", OPERATOR)
    assert send(server, "POST", "/probes/reads", READS, operator)[0] == 201
    for method, path, body in (
        ("POST", "/probes/other", READS),
        ("POST", "/probes/fexit", READS),
        ("POST", "/probes/..", READS),
        ("PATCH", "/probes/reads", {"where": None}),
        ("DELETE", "/probes/reads", None),
        ("POST", "/availability", None),
    ):
        status, problem = send(server, method, path, body, viewer)
        assert (status, problem["code"]) == (403, "operator_only"), (method, path)
    assert send(server, "GET", "/probes/reads", token=viewer)[1]["where"] == "count>1"
    assert names(server) == ["reads"]


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/probes/..", {422}),
        ("/probes/%2e%2e", {422}),
        ("/probes/.", {422}),
        ("/probes/fentry/../x", {404}),
        ("/probes/fentry%2f..%2fx", {404}),
        ("/probes/../../etc/passwd", {404}),
        ("//probes/x", {404}),
        ("/probes/a%00b", {422}),
        ("/probes/a%0d%0aSet-Cookie:x", {422}),
        ("/probes/%ff%fe", {422}),
        ("/probes/%f0%9f%92%a9", {422}),
        ("/probes/\xe9", {400, 422}),
        ("/probes/" + "x" * 3000, {422}),
        ("/probes/" + "x" * 9000, {414}),
        ("/probes/Reads", {422}),
        ("/probes/__proto__", {422}),
    ],
)
def test_names_of_attackers(server: Server, path: str, statuses: set[int]) -> None:
    status, problem = send(server, "POST", path, READS)
    assert status in statuses, problem
    assert len(json.dumps(problem)) < 2000
    assert names(server) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({**READS, "columns": ["count"] * 1500}, 422),
        ({**READS, "columns": [1] * 5000}, 422),
        ({str(number): 1 for number in range(1200)}, 422),
        ({**READS, "function": "vfs_read\0"}, 422),
        ({**READS, "function": "../../x"}, 422),
        ({**READS, "syscall": "openat"}, 422),
        ({**READS, "plan": {"hook": {"kind": "function", "name": "x"}}}, 422),
        (b'{"function": "vfs_read", "columns": ' + b"[" * 7000 + b"]" * 7000 + b"}", 400),
        (b'{"function": "vfs_read", "function": "vfs_write"}', 400),
        (b'{"function": "vfs_read", "duration_s": NaN}', 400),
    ],
)
def test_bodies_of_attackers(server: Server, body: Any, status: int) -> None:
    answered, problem = send(server, "POST", "/probes/reads", body)
    assert answered == status, problem
    assert len(json.dumps(problem)) < 64 << 10
    assert names(server) == []


def test_a_where_of_ten_megabytes_is_not_even_read(server: Server) -> None:
    head = (
        "POST /probes/reads HTTP/1.1\r\nHost: LOCAL\r\nContent-Type: application/json\r\n"
        "Content-Length: 10000000\r\n\r\n"
    )
    answer = server.send(head.encode() + b'{"where": "')
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert names(server) == []
