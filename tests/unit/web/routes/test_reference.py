# SPDX-License-Identifier: Apache-2.0
"""The API's reference: all of the OpenAPI document, in words, also for those without a token."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.web.routes.reference import METHODS, member, members
from tests.support.web_fakes import FakeConnection
from tests.unit.tree.test_page_sources import Inline


@pytest.fixture
def page(client: FlaskClient) -> str:
    stranger = {"gunicorn.socket": FakeConnection(peer=("127.0.0.1", 40413))}
    answer = client.get("/api", environ_overrides=stranger)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    return answer.text


def test_every_call_is_in_it(client: FlaskClient, page: str) -> None:
    document = client.get("/openapi.json").json
    calls = {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    }
    assert {"GET /ws", "POST /probes/{probe_id}", "POST /session"} <= calls
    assert set(re.findall(r'<h3 id="[^"]*"><code>([^<]*)</code>', page)) == calls
    links = re.findall(r'href="#([^"]*)"', page)
    assert sorted(links) == sorted(set(re.findall(r' id="([^"]*)"', page)))
    assert len(links) == len(calls)


def test_what_the_policy_would_refuse_is_not_in_it(page: str) -> None:
    assert Inline(page).found == []


def test_limits_and_members_are_in_it(page: str) -> None:
    for text in (
        "filter.pid",
        "at most 4194304",
        "one of 0, 1, default 1",
        "above 0, at most 86400",
        "probes[].counters",
    ):
        assert text in page


def test_the_console_leads_there(client: FlaskClient) -> None:
    assert '<a class="statusbar__link" href="/api">' in client.get("/").text


@pytest.mark.parametrize(
    ("schema", "kind", "limits"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 5}, "integer", "at least 1, at most 5"),
        (
            {"type": "number", "minimum": 0.0, "exclusiveMinimum": True, "maximum": 9.0},
            "number",
            "above 0, at most 9",
        ),
        ({"type": "number", "maximum": 0.5}, "number", "at most 0.5"),
        ({"type": "boolean", "default": False}, "boolean", "default false"),
        ({"type": "array", "items": {"type": "string"}}, "list of string", ""),
        ({"anyOf": [{"type": "object"}, {"$ref": "#/a"}]}, "object or null", ""),
    ],
)
def test_a_member_in_words(schema: dict[str, Any], kind: str, limits: str) -> None:
    document = {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}
    found = member(document, "x", schema, is_needed=False)
    assert (found["type"], found["limits"]) == (kind, limits)


def test_members_have_the_way_to_them() -> None:
    leaf = {"type": "object", "properties": {"c": {"type": "string"}}}
    schema = {"properties": {"a": leaf, "b": {"type": "array", "items": leaf}}, "required": ["a"]}
    found = [(each["name"], each["is_needed"]) for each in members({}, schema)]
    assert found == [("a", True), ("a.c", False), ("b", False), ("b[].c", False)]
