# SPDX-License-Identifier: Apache-2.0
"""Errors as problem+json, whatever the cause; and the headers that every answer carries."""

from __future__ import annotations

import logging

import pytest
from flask.testing import FlaskClient

from app.errors import ProbedeckError
from app.web.response_headers import CONTENT_SECURITY_POLICY
from tests.support.web_fakes import FakeConnection, FakeManager

JSON = "application/json"


def test_a_problem_has_the_members_of_rfc_9457(client: FlaskClient) -> None:
    answer = client.get("/nonesuch")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert {k: answer.json[k] for k in ("type", "title", "status", "code")} == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
    }
    assert answer.data.endswith(b"\n")


def test_extra_members_cannot_replace_the_standard_ones(
    client: FlaskClient, manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def describe(_probe_id: str) -> None:
        raise ProbedeckError(502, "tracer_failed", "It failed.", reason="EPERM", type="x", title=1)

    monkeypatch.setattr(manager, "describe", describe)
    answer = client.get("/probes/fexit")
    assert (answer.json["reason"], answer.json["type"]) == ("EPERM", "about:blank")
    assert answer.json["title"] == "Bad Gateway"


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    answer = client.put("/probes/fexit")
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert {"GET", "POST", "PATCH", "DELETE"} <= set(answer.headers["Allow"].split(", "))


def test_a_defect_is_logged_and_not_told(
    client: FlaskClient,
    manager: FakeManager,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def describe_all() -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(manager, "describe_all", describe_all)
    with caplog.at_level(logging.ERROR):
        answer = client.get("/probes")
    assert (answer.status_code, answer.json["code"]) == (500, "internal")
    assert b"secret" not in answer.data
    assert "RuntimeError: secret" in caplog.text


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{}", JSON, 201, None),
        (b"{}", JSON + "; charset=utf-8", 201, None),
        (b"", "", 201, None),
        (b"", JSON, 201, None),
        (b"", "text/plain", 415, "not_json"),
        (b"", "application/x-www-form-urlencoded", 415, "not_json"),
        (b"{}", "text/plain", 415, "not_json"),
        (b"{}", "application/x-www-form-urlencoded", 415, "not_json"),
        (b"{}", "multipart/form-data; boundary=x", 415, "not_json"),
        (b"{}", "", 415, "not_json"),
        (b"{", JSON, 400, "bad_request"),
        (b" ", JSON, 400, "bad_request"),
        (b'{"duration_s": NaN}', JSON, 400, "bad_request"),
        (b'{"duration_s": Infinity}', JSON, 400, "bad_request"),
        (b'{"duration_s": -Infinity}', JSON, 400, "bad_request"),
        (b'{"filter": {}, "filter": {}}', JSON, 400, "bad_request"),
        (b'{"filter": {"pid": 1, "pid": 2}}', JSON, 400, "bad_request"),
        (b"\xff\xfe{\x00}\x00", JSON, 400, "bad_request"),
        (b"\xef\xbb\xbf{}", JSON, 400, "bad_request"),
        (b'{"a": "\xff"}', JSON, 400, "bad_request"),
        (b"[" * 16000, JSON, 400, "bad_request"),
        (b'{"duration_s": ' + b"1" * 9000 + b"}", JSON, 400, "bad_request"),
        (b" " * (16 * 1024 - 2) + b"{}", JSON, 201, None),
        (b" " * (16 * 1024 - 1) + b"{}", JSON, 413, "too_large"),
    ],
)
def test_bodies(client: FlaskClient, body: bytes, kind: str, status: int, code: str) -> None:
    answer = client.post("/probes/fexit", data=body, content_type=kind)
    assert (answer.status_code, answer.json.get("code")) == (status, code)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("OPTIONS", "/probes", 200),
        ("GET", "/probes", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/events", 200),
        ("GET", "/nonesuch", 404),
        ("GET", "/static/nonesuch.js", 404),
        ("GET", "/ws", 400),
        ("PUT", "/probes", 405),
        ("GET", "http://localhost:5000//probes", 404),
        ("GET", "/probes/", 200),
    ],
)
def test_headers_on_every_answer(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("path", ["/probes", "/nonesuch", "/ws", "/users", "/openapi.json", "//"])
def test_strangers_see_no_data(client: FlaskClient, path: str) -> None:
    stranger = {"gunicorn.socket": FakeConnection(peer=("127.0.0.1", 40413))}
    answer = client.get(path, environ_overrides=stranger)
    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert "user 1001" in answer.json["detail"]
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/healthz", 200), ("/static/x", 404)])
def test_what_holds_no_data_is_open(client: FlaskClient, path: str, status: int) -> None:
    """So that the page can ask for a token. Changing anything is not."""
    stranger = {"gunicorn.socket": FakeConnection(peer=("127.0.0.1", 40413))}
    assert client.get(path, environ_overrides=stranger).status_code == status
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = client.open(path, method=method, environ_overrides=stranger)
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")


@pytest.mark.parametrize("path", ["/", "/probes", "/nonesuch", "/static/x.js", "/ws", "/healthz"])
def test_nothing_is_outside_of_the_guard(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Host": "evil.test"})
    assert answer.json["code"] == "bad_host"
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("method", "target", "headers", "detail"),
    [
        ("GET", "/nonesuch", {}, "There is nothing at /nonesuch; GET /api lists what there is."),
        ("GET", "/ws", {}, "/ws is a websocket: send an upgrade request (RFC 6455)."),
        ("GET", "/ws?recent=0", {}, "/ws is a websocket: send an upgrade request (RFC 6455)."),
        (
            "GET",
            "/probes",
            {"Connection": "Upgrade", "Upgrade": "websocket"},
            "There is no websocket at /probes; it is at /ws.",
        ),
        (
            "DELETE",
            "/probes",
            {},
            "DELETE is not allowed for /probes; the header Allow lists what is.",
        ),
    ],
)
def test_errors_of_routing_are_in_our_words(
    client: FlaskClient, method: str, target: str, headers: dict[str, str], detail: str
) -> None:
    answer = client.open(target, method=method, headers=headers)
    assert answer.content_type == "application/problem+json"
    assert answer.json["detail"] == detail


def test_a_path_is_quoted_as_it_came(client: FlaskClient) -> None:
    answer = client.get("/probes", environ_overrides={"PATH_INFO": "//probes"})
    detail = "There is nothing at //probes; GET /api lists what there is."
    assert (answer.status_code, answer.json["detail"]) == (404, detail)


def test_a_long_path_is_quoted_in_part(client: FlaskClient) -> None:
    assert len(client.get("/" + "x" * 4000).json["detail"]) < 300
