# SPDX-License-Identifier: Apache-2.0
"""Signing in by a proof: which proofs are accepted, and how often."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from app import ROOT
from app.access import sessions
from app.access.sessions import Opened, Sessions
from app.access.tokens import OPERATOR, VIEWER, TokenFile
from app.errors import ProbedeckError

ORIGIN = "http://localhost:5000"
NONCE = "ab" * 32
VECTORS = json.loads((ROOT / "tests/vectors/signin.json").read_text())


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path)


@pytest.fixture
def secret(tokens: TokenFile) -> str:
    tokens.add("other", VIEWER)
    return tokens.add("desk", OPERATOR)


@pytest.fixture
def service(tokens: TokenFile, clock: Clock) -> Sessions:
    return Sessions(tokens, clock)


def mac(secret: str, *parts: str) -> str:
    """Return the proof that the page would send."""
    key = hashlib.sha256(secret.encode()).hexdigest().encode()
    text = "\n".join(("probedeck sign-in 1", *parts)).encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def proof(secret: str, challenge: str, origin: str = ORIGIN, nonce: str = NONCE) -> str:
    proven = mac(secret, "client", origin, challenge, nonce)
    return f"challenge={challenge}, nonce={nonce}, mac={proven}"


def refusal(service: Sessions, credentials: str) -> str:
    with pytest.raises(ProbedeckError) as raised:
        service.sign_in(credentials, ORIGIN)
    return raised.value.code


def sign_in(service: Sessions, secret: str) -> Opened:
    return service.sign_in(proof(secret, service.challenge()), ORIGIN)


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_the_macs_are_those_of_the_page(case: dict[str, str]) -> None:
    """tests/unit/js/credentials.test.mjs has the same cases."""
    key = hashlib.sha256(case["token"].encode()).hexdigest()
    token = sessions.Token("x", VIEWER, key, "")
    client = ("client", case["origin"], case["challenge"], case["nonce"])
    server = ("server", *client[1:], case["session"])
    assert sessions._mac(token, *client) == case["client_mac"]
    assert sessions._mac(token, *server) == case["server_mac"]


def test_a_proof_opens_a_session_and_the_service_proves_itself(
    service: Sessions, secret: str
) -> None:
    challenge = service.challenge()
    opened = service.sign_in(proof(secret, challenge), ORIGIN)
    token = service.find(opened.session)
    assert token is not None
    assert (token.name, token.role) == ("desk", OPERATOR)
    assert opened.mac == mac(secret, "server", ORIGIN, challenge, NONCE, opened.session)


def test_what_a_listener_on_the_port_captures_is_worth_nothing(
    service: Sessions, tokens: TokenFile, secret: str, clock: Clock
) -> None:
    """Sessions, and proofs for challenges of its own, of another run, and of another port."""
    earlier = Sessions(tokens, clock)
    session = sign_in(earlier, secret).session
    assert earlier.find(session) is not None
    assert service.find(session) is None
    assert refusal(service, proof(secret, earlier.challenge())) == "bad_proof"
    assert refusal(service, proof(secret, "1.2.3")) == "bad_proof"
    elsewhere = proof(secret, service.challenge(), origin="http://localhost:5001")
    assert refusal(service, elsewhere) == "bad_token"


def test_a_challenge_is_good_once_and_for_a_minute(
    service: Sessions, secret: str, clock: Clock
) -> None:
    shown = proof(secret, service.challenge())
    service.sign_in(shown, ORIGIN)
    assert refusal(service, shown) == "bad_proof"
    other = service.challenge()
    clock.now_s += sessions.ANSWER_WITHIN_S - 1
    assert refusal(service, shown) == "bad_proof"
    service.sign_in(proof(secret, other), ORIGIN)
    late = service.challenge()
    clock.now_s += sessions.ANSWER_WITHIN_S + 1
    for credentials in (shown, proof(secret, other), proof(secret, late)):
        assert refusal(service, credentials) == "bad_proof"


@pytest.mark.parametrize(
    "change",
    [
        ("mac=", "mac=0"),
        ("nonce=ab", "nonce=ba"),
        ("client", "server"),
        ("challenge=", "challenge=0"),
        (", mac", ", name=desk, mac"),
        ("nonce=", "nonce=,nonce="),
    ],
)
def test_what_is_no_proof(service: Sessions, secret: str, change: tuple[str, str]) -> None:
    challenge = service.challenge()
    shown = proof(secret, challenge)
    if change[0] == "client":  # the service's own proof, sent back
        reflected = mac(secret, "server", ORIGIN, challenge, NONCE)
        shown = f"challenge={challenge}, nonce={NONCE}, mac={reflected}"
    assert refusal(service, shown.replace(*change)) in ("bad_proof", "bad_token")
    assert refusal(service, "") == "bad_proof"
    assert refusal(service, proof("pd_wrong", challenge)) == "bad_token"


def test_a_session_ends_with_its_token(service: Sessions, tokens: TokenFile, secret: str) -> None:
    session = sign_in(service, secret).session
    new = tokens.rotate("desk")
    assert service.find(session) is None
    assert refusal(service, proof(secret, service.challenge())) == "bad_token"
    again = sign_in(service, new).session
    tokens.revoke("desk")
    assert service.find(again) is None


def test_sessions_are_bounded_in_age_and_number(
    service: Sessions, secret: str, clock: Clock
) -> None:
    opened = [sign_in(service, secret).session for _ in range(sessions.MOST_PER_TOKEN + 2)]
    found = [service.find(session) is not None for session in opened]
    assert found == [False, False] + [True] * sessions.MOST_PER_TOKEN
    clock.now_s += sessions.LIFETIME_S
    assert not any(service.find(session) for session in opened)
    assert not service._sessions.keys() - {sessions._digest(opened[0])}


def test_a_token_signs_in_so_often_and_others_still_do(
    service: Sessions, tokens: TokenFile, secret: str, clock: Clock
) -> None:
    another = tokens.add("another", VIEWER)
    for _ in range(sessions.MOST_SIGN_INS):
        sign_in(service, secret)
    assert refusal(service, proof(secret, service.challenge())) == "too_often"
    sign_in(service, another)
    clock.now_s += sessions.ANSWER_WITHIN_S
    sign_in(service, secret)
    tokens.revoke("another")
    sign_in(service, secret)
    assert [token.name for token in service._used] == ["desk"]


def test_asking_for_challenges_keeps_nothing(service: Sessions, secret: str) -> None:
    asked = {service.challenge() for _ in range(1000)}
    assert len(asked) == 1000
    for challenge in asked:
        assert refusal(service, proof("pd_wrong", challenge)) == "bad_token"
    assert (service._sessions, service._used) == ({}, {})
