# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document: made from the declarations that validate, and whole."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.version import VERSION


@pytest.fixture
def document(client: FlaskClient) -> Any:
    answer = client.get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return answer.json


def test_every_http_route_is_in_it(flask_app: Flask, document: Any) -> None:
    rules = {
        re.sub(r"<string:(\w+)>", r"{\1}", rule.rule) for rule in flask_app.url_map.iter_rules()
    }
    files = {rule for rule in rules if rule.startswith("/static/")}
    assert set(document["paths"]) == rules - files - {"/openapi.json"}


def test_the_websocket_is_in_it(document: Any) -> None:
    socket = document["paths"]["/ws"]["get"]
    assert "101" in socket["responses"]
    assert {each["name"] for each in socket["parameters"]} == {"probe", "recent"}


def test_who_may_ask_and_where_is_in_it(document: Any) -> None:
    schemes = document["components"]["securitySchemes"]
    assert schemes["token"]["scheme"] == "bearer"
    named = [each for each in document["security"] if each]
    for path in document["paths"].values():
        for method, operation in path.items():
            if method != "parameters":
                named += [each for each in operation.get("security", []) if each]
    assert {name for each in named for name in each} == set(schemes)
    assert document["paths"]["/healthz"]["get"]["security"] == []
    assert [server["url"] for server in document["servers"]] == ["/"]


def test_the_version_is_the_service_s(client: FlaskClient, document: Any) -> None:
    assert document["info"]["version"] == VERSION
    assert client.get("/healthz").json == {"status": "ok", "version": VERSION}


def test_a_switch_in_a_query_is_documented_as_it_is_taken(
    client: FlaskClient, document: Any
) -> None:
    for path, default in (("/ws", 1), ("/events/stream", 0)):
        (recent,) = [
            each["schema"]
            for each in document["paths"][path]["get"]["parameters"]
            if each["name"] == "recent"
        ]
        assert recent == {"type": "integer", "enum": [0, 1], "default": default}


def test_limits_are_those_of_the_validation(document: Any) -> None:
    properties = document["components"]["schemas"]["Filter"]["properties"]
    assert (properties["pid"]["minimum"], properties["pid"]["maximum"]) == (1, 4194304)
    assert document["components"]["schemas"]["Spec"]["additionalProperties"] is False


def test_problems_are_documented_as_such(document: Any) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            for status, response in operation["responses"].items():
                name = response.get("$ref", "").split("/")[-1]
                answer = document["components"]["responses"][name] if name else response
                if status == "default" or int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (path, method)


def test_starting_has_its_statuses(document: Any) -> None:
    post = document["paths"]["/probes/{probe_id}"]["post"]
    assert {"200", "201", "404", "409", "422", "501", "502", "503", "504"} <= set(post["responses"])
    assert not post["requestBody"].get("required")


def test_references_lead_somewhere(document: Any) -> None:
    def references(node: Any) -> Any:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "$ref":
                    yield value
                else:
                    yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    found = set(references(document))
    assert found
    for reference in found:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
