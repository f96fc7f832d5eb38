# SPDX-License-Identifier: Apache-2.0
"""A query that the route does not know is refused, whatever the method."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/probes", 200),
        ("/probes?a=1", 422),
        ("/events", 200),
        ("/events?limit=5", 200),
        ("/events?limit=0", 422),
        ("/events?limt=5", 422),
        ("/events?limit=5&limit=6", 422),
        ("/users?uid=0&uid=1", 200),
        ("/users?gid=0", 422),
        ("/healthz?a", 422),
        ("/static/nonesuch?a=1", 422),
        ("/events?where=%C3%A9", 200),
        ("/events?where=%FF", 422),
        ("/events?where=a%C3", 422),
        ("/events?%FF=1", 422),
    ],
)
def test_queries(client: FlaskClient, method: str, target: str, status: int) -> None:
    assert client.open(target, method=method).status_code == status


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_methods_without_a_query(client: FlaskClient, method: str) -> None:
    assert client.open("/probes/fexit?force=1", method=method, json={}).status_code == 422


@pytest.mark.parametrize("query", ["limit=5", "recent=yes", "token=x"])
def test_a_websocket_is_refused_for_its_query(client: FlaskClient, query: str) -> None:
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    answer = client.get(f"/ws?{query}", headers=handshake)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
