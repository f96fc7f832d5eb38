# SPDX-License-Identifier: Apache-2.0
"""Signing in over HTTP: what a session may, and that its end is its token's."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.access.tokens import OPERATOR, VIEWER, TokenFile
from app.config import Settings
from tests.support.web_fakes import FakeConnection, fake_service

ORIGIN = "http://localhost:5000"
NONCE = "0" * 64
STRANGER = {"gunicorn.socket": FakeConnection(peer=("127.0.0.1", 40413))}


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def client(tmp_path: Path, log: Path) -> FlaskClient:
    """Of another user, who needs a token."""
    settings = Settings(owner_uid=1000, run_dir=tmp_path, audit_log=log)
    return create_app(fake_service(settings), lambda *_: 1001).test_client()


def send(client: FlaskClient, method: str, path: str, authorization: str | None = None) -> Any:
    headers = {"Authorization": authorization} if authorization else {}
    return client.open(
        path, method=method, base_url=ORIGIN, headers=headers, environ_overrides=STRANGER
    )


def proof(client: FlaskClient, token: str) -> str:
    challenge = send(client, "GET", "/session").json["challenge"]
    key = hashlib.sha256(token.encode()).hexdigest().encode()
    text = "\n".join(("probedeck sign-in 1", "client", ORIGIN, challenge, NONCE))
    mac = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"Probedeck-Proof challenge={challenge}, nonce={NONCE}, mac={mac}"


def sign_in(client: FlaskClient, token: str) -> str:
    answer = send(client, "POST", "/session", proof(client, token))
    assert answer.status_code == 201
    return f"Bearer {answer.json['session']}"


@pytest.mark.parametrize(("role", "status"), [(VIEWER, 403), (OPERATOR, 201)])
def test_a_session_may_what_its_token_may(
    client: FlaskClient, tokens: TokenFile, role: str, status: int
) -> None:
    session = sign_in(client, tokens.add("desk", role))
    assert send(client, "GET", "/probes", session).status_code == 200
    assert send(client, "POST", "/probes/fexit", session).status_code == status
    tokens.revoke("desk")
    answer = send(client, "GET", "/probes", session)
    assert (answer.status_code, answer.json["code"]) == (401, "session_over")


def test_what_a_session_did_is_written_down_as_the_token_s(
    client: FlaskClient, tokens: TokenFile, log: Path
) -> None:
    session = sign_in(client, tokens.add("desk", OPERATOR))
    assert not log.exists(), "signing in changes nothing"
    send(client, "POST", "/probes/fexit", session)
    assert '"token desk"' in log.read_text()


@pytest.mark.parametrize(
    "shown", [None, "Bearer pd_x", "Probedeck-Proof", "Probedeck-Proof x", "Basic eDp5"]
)
def test_without_a_proof_there_is_no_session(
    client: FlaskClient, tokens: TokenFile, shown: str | None
) -> None:
    tokens.add("desk", VIEWER)
    answer = send(client, "POST", "/session", shown)
    assert (answer.status_code, answer.json["code"]) == (401, "bad_proof")


def test_a_wrong_token_s_proof_is_told_from_no_name(client: FlaskClient, tokens: TokenFile) -> None:
    """It is the same answer whatever tokens there are."""
    answers = [send(client, "POST", "/session", proof(client, "pd_wrong")).data]
    tokens.add("desk", VIEWER)
    answers.append(send(client, "POST", "/session", proof(client, "pd_wrong")).data)
    assert answers[0] == answers[1]
    assert b"bad_token" in answers[0]


def test_the_digest_in_the_file_is_no_token(client: FlaskClient, tokens: TokenFile) -> None:
    tokens.add("desk", VIEWER)
    (kept,) = tokens.all()
    assert send(client, "GET", "/probes", f"Bearer {kept.sha256}").json["code"] == "bad_token"
