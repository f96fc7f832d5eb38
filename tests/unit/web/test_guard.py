# SPDX-License-Identifier: Apache-2.0
"""Access control: tables of requests, each with the answer of the first check that refuses it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import run_wsgi_app

from app.access.tokens import TokenFile
from app.config import Settings
from app.web.guard import Guard
from tests.support.web_fakes import FakeConnection

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"


def ask(
    settings: Settings | None = None,
    connection: FakeConnection | None = None,
    owners: dict[int, int | None] | None = None,
    **environ: Any,
) -> str:
    """The code of the refusal, or `passed`. Names are WSGI's; None takes one out."""

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"passed"]

    def owner(peer: tuple[str, int], local: tuple[str, int]) -> int | None:
        assert local[1] == 5000
        return (owners or {40412: 1000}).get(peer[1])

    request = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/probes",
        "RAW_URI": "/probes",
        "HTTP_HOST": "localhost:5000",
        "gunicorn.socket": connection or FakeConnection(),
        **environ,
    }
    guard = Guard(application, settings or Settings(owner_uid=1000), owner)
    body, status, headers = run_wsgi_app(
        guard, {k: v for k, v in request.items() if v is not None}, buffered=True
    )
    text = b"".join(body)
    if text == b"passed":
        return "passed"
    assert headers["Content-Type"] == "application/problem+json"
    assert status[:4] in ("401 ", "403 ")
    assert (headers.get("WWW-Authenticate") == "Bearer") == (status[:4] == "401 ")
    assert text.endswith(b"\n")
    problem = json.loads(text)
    assert ("Authorization: Bearer" in problem.get("hint", "")) == (status[:4] == "401 ")
    code: str = problem["code"]
    return code


@pytest.mark.parametrize(
    "host", ["localhost:5000", "127.0.0.1:5000", "[::1]:5000", "LOCALHOST:5000", "Localhost:5000"]
)
def test_our_hosts(host: str) -> None:
    assert ask(HTTP_HOST=host) == "passed"


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.test",
        "evil.test:5000",
        "localhost",
        "127.0.0.1",
        "localhost:80",
        "localhost:05000",
        "localhost:5001",
        "localhost.:5000",
        "localhost:5000.evil",
        "localhost:5000.evil.test",
        "localhost.evil.test:5000",
        "user@localhost:5000",
        "localhost:5000@evil.test",
        "localhost:5000,localhost:5000",
        "localhost:5000, evil.test",
        " localhost:5000",
        "localhost:5000 ",
        "localhost :5000",
        "local\u212aost:5000",
        "0.0.0.0:5000",
        "127.1:5000",
        "127.0.0.2:5000",
        "2130706433:5000",
        "::1:5000",
        "[::]:5000",
        "[0:0:0:0:0:0:0:1]:5000",
        "[::ffff:127.0.0.1]:5000",
        "http://localhost:5000",
        "localhost:5000/",
        "localh\u00f6st:5000",
    ],
)
def test_other_hosts(host: str | None) -> None:
    assert ask(HTTP_HOST=host) == "bad_host"


@pytest.mark.parametrize(
    ("port", "host", "answer"),
    [
        (80, "localhost", "passed"),
        (80, "127.0.0.1", "passed"),
        (80, "[::1]", "passed"),
        (80, "localhost:80", "passed"),
        (80, "localhost:5000", "bad_host"),
        (443, "localhost", "bad_host"),
    ],
)
def test_the_port_may_be_left_out_on_80_only(port: int, host: str, answer: str) -> None:
    class Connection(FakeConnection):
        """A fake; the port is what the test is about."""

        def getsockname(self) -> tuple[str, int]:
            return ("127.0.0.1", 5000)

    assert ask(Settings(owner_uid=1000, port=port), Connection(), HTTP_HOST=host) == answer


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("/probes", "passed"),
        ("//evil.test/probes", "passed"),  # a path, and none of ours: 404 behind the guard
        ("*", "passed"),
        ("http://localhost:5000", "passed"),
        ("http://localhost:5000/probes", "passed"),
        ("HTTP://LocalHost:5000/probes", "passed"),
        ("http://localhost:5000?x", "passed"),
        ("http://127.0.0.1:5000/probes", "bad_host"),
        ("http://evil.test/probes", "bad_host"),
        ("http://localhost:5000.evil.test/", "bad_host"),
        ("http://localhost:5000@evil.test/", "bad_host"),
        ("https://localhost:5000/probes", "bad_host"),
        ("ftp://localhost:5000/probes", "bad_host"),
        ("localhost:5000", "bad_host"),
    ],
)
def test_request_targets(target: str, answer: str) -> None:
    assert ask(RAW_URI=target) == answer


@pytest.mark.parametrize(
    ("origin", "answer"),
    [
        ("http://localhost:5000", "passed"),
        ("http://127.0.0.1:5000", "bad_origin"),  # ours, but not the one of this Host
        ("null", "bad_origin"),
        ("", "bad_origin"),
        ("https://localhost:5000", "bad_origin"),
        ("http://localhost", "bad_origin"),
        ("http://localhost:5001", "bad_origin"),
        ("http://localhost:5000/", "bad_origin"),
        ("http://localhost:5000.evil.test", "bad_origin"),
        ("http://evil.test", "bad_origin"),
        ("http://localhost:5000,http://localhost:5000", "bad_origin"),
        ("HTTP://localhost:5000", "bad_origin"),
        ("chrome-extension://abcdefgh", "bad_origin"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_origins(method: str, origin: str, answer: str) -> None:
    assert ask(REQUEST_METHOD=method, HTTP_ORIGIN=origin) == answer


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({}, "passed"),  # curl, or a websocket client of some language
        ({"HTTP_USER_AGENT": "python-websockets/15.0"}, "passed"),
        ({"HTTP_USER_AGENT": BROWSER}, "bad_origin"),
        ({"HTTP_SEC_FETCH_MODE": "websocket"}, "bad_origin"),
        ({"HTTP_USER_AGENT": BROWSER, "HTTP_ORIGIN": "http://localhost:5000"}, "passed"),
        ({"HTTP_ORIGIN": "http://evil.test"}, "bad_origin"),
    ],
)
def test_a_browsers_websocket_must_have_an_origin(headers: dict[str, str], answer: str) -> None:
    assert ask(PATH_INFO="/ws", HTTP_UPGRADE="websocket", **headers) == answer


LINK = {
    "PATH_INFO": "/",
    "HTTP_SEC_FETCH_SITE": "cross-site",
    "HTTP_SEC_FETCH_MODE": "navigate",
    "HTTP_SEC_FETCH_DEST": "document",
}


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"HTTP_SEC_FETCH_SITE": "same-origin"}, "passed"),
        ({"HTTP_SEC_FETCH_SITE": "none"}, "passed"),
        ({"HTTP_SEC_FETCH_SITE": "same-site"}, "cross_site"),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, "cross_site"),
        ({"HTTP_SEC_FETCH_SITE": ""}, "cross_site"),
        ({"HTTP_SEC_FETCH_SITE": "none,none"}, "cross_site"),
        (LINK, "passed"),
        ({**LINK, "HTTP_SEC_FETCH_SITE": "same-site"}, "passed"),
        ({**LINK, "REQUEST_METHOD": "POST"}, "cross_site"),
        ({**LINK, "PATH_INFO": "/probes"}, "cross_site"),
        ({**LINK, "HTTP_SEC_FETCH_DEST": "iframe"}, "cross_site"),
        ({**LINK, "HTTP_SEC_FETCH_MODE": "no-cors"}, "cross_site"),
        ({**LINK, "HTTP_SEC_FETCH_DEST": None}, "cross_site"),
        (
            {**LINK, "HTTP_UPGRADE": "websocket", "HTTP_ORIGIN": "http://localhost:5000"},
            "cross_site",
        ),
    ],
)
def test_other_sites(headers: dict[str, str | None], answer: str) -> None:
    assert ask(**headers) == answer


@pytest.mark.parametrize(
    ("owner", "answer"),
    [(1000, "passed"), (1001, "forbidden"), (0, "forbidden"), (None, "forbidden")],
)
def test_only_the_user_who_started_it(owner: int | None, answer: str) -> None:
    assert ask(owners={40412: owner}) == answer


def test_root_when_root_started_it() -> None:
    assert ask(Settings(owner_uid=0), owners={40412: 0}) == "passed"
    assert ask(Settings(owner_uid=0), owners={40412: None}) == "forbidden"


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("127.0.0.1", "passed"),
        ("127.0.0.9", "passed"),
        ("::1", "passed"),
        ("::ffff:127.0.0.1", "passed"),
        ("10.0.2.2", "forbidden"),
        ("::ffff:10.0.2.2", "forbidden"),
        ("fe80::1", "forbidden"),
    ],
)
def test_only_from_this_machine(address: str, answer: str) -> None:
    assert ask(connection=FakeConnection(peer=(address, 40412))) == answer


def test_the_relay_is_trusted_for_the_caller_only() -> None:
    settings = Settings(owner_uid=1000, listen="10.0.2.15", trusted_peer="10.0.2.2")
    relay = FakeConnection(peer=("10.0.2.2", 9))
    assert ask(settings, relay) == "passed"
    assert ask(settings, FakeConnection(peer=("::ffff:10.0.2.2", 9))) == "passed"
    assert ask(settings, FakeConnection(peer=("10.0.2.3", 9))) == "forbidden"
    assert ask(settings, relay, HTTP_HOST="evil.test") == "bad_host"
    assert ask(settings, relay, HTTP_ORIGIN="http://evil.test") == "bad_origin"
    assert ask(settings, relay, HTTP_VIA="1.1 proxy") == "forbidden"


@pytest.mark.parametrize(
    "name",
    [
        "HTTP_FORWARDED",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_REAL_IP",
        "HTTP_VIA",
    ],
)
def test_nothing_that_a_proxy_forwards(name: str) -> None:
    assert ask(**{name: "127.0.0.1"}) == "forbidden"


def test_a_connection_that_was_reset_while_its_owner_was_looked_up() -> None:
    """Its port may be another's by then, and the owner that was found the other's."""

    class Reset(FakeConnection):
        """A fake whose client resets it as soon as its addresses are known."""

        def getsockopt(self, *_: object) -> bytes:
            return b"\x07"  # TCP_CLOSE

    assert ask(connection=Reset()) == "forbidden"


@pytest.mark.parametrize("state", range(2, 13))
def test_a_connection_that_is_half_closed(state: int) -> None:
    class Ending(FakeConnection):
        """A fake in this state of TCP."""

        def getsockopt(self, *_: object) -> bytes:
            return bytes([state])

    assert ask(connection=Ending()) == "forbidden"


@pytest.mark.parametrize(
    ("path", "asked"),
    [("/", 0), ("/healthz", 0), ("/healthz/", 0), ("/static/x.js", 0), ("/probes", 1), ("/ws", 1)],
)
def test_whose_a_connection_is_is_asked_only_where_it_decides(
    tmp_path: Path, path: str, asked: int
) -> None:
    """It costs a look-up in the kernel, and anybody can ask for what is open."""
    questions = []

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"passed"]

    def owner(peer: tuple[str, int], _local: tuple[str, int]) -> int | None:
        questions.append(peer)
        return 1000

    token = TokenFile(tmp_path).make_first()["viewer"]
    guard = Guard(application, settings_of(tmp_path), owner)
    request = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "HTTP_HOST": "localhost:5000",
        "gunicorn.socket": FakeConnection(),
    }
    run_wsgi_app(guard, request)
    assert len(questions) == asked
    run_wsgi_app(guard, {**request, "HTTP_AUTHORIZATION": f"Bearer {token}"})
    assert len(questions) == asked


def test_a_connection_that_is_gone() -> None:
    class Gone(FakeConnection):
        """A fake of a socket whose client has reset the connection."""

        def getpeername(self) -> tuple[str, int]:
            raise OSError(107, "Transport endpoint is not connected")

    assert ask(connection=Gone()) == "forbidden"


def test_the_order_of_the_checks() -> None:
    wrong = {
        "HTTP_HOST": "evil.test",
        "HTTP_ORIGIN": "null",
        "HTTP_SEC_FETCH_SITE": "cross-site",
        "HTTP_VIA": "1.1 proxy",
    }
    order = []
    for name, right in [
        ("HTTP_HOST", "localhost:5000"),
        ("HTTP_ORIGIN", "http://localhost:5000"),
        ("HTTP_SEC_FETCH_SITE", "none"),
        ("HTTP_VIA", None),
    ]:
        order.append(ask(**wrong))
        wrong[name] = right  # type: ignore[assignment]
    assert order == ["bad_host", "bad_origin", "cross_site", "forbidden"]
    assert ask(**wrong) == "passed"


# -- tokens --


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path)


@pytest.fixture
def made(tokens: TokenFile) -> dict[str, str]:
    return tokens.make_first()


def settings_of(tmp_path: Path, **more: Any) -> Settings:
    return Settings(owner_uid=1000, run_dir=tmp_path, **more)


STRANGER = FakeConnection(peer=("127.0.0.1", 40413))
REMOTE = FakeConnection(peer=("192.0.2.7", 40412))


@pytest.mark.parametrize("connection", [None, STRANGER, REMOTE])
@pytest.mark.parametrize(
    ("role", "method", "expected"),
    [
        ("viewer", "GET", "passed"),
        ("viewer", "HEAD", "passed"),
        ("viewer", "POST", "operator_only"),
        ("viewer", "PATCH", "operator_only"),
        ("viewer", "DELETE", "operator_only"),
        ("viewer", "BREW", "operator_only"),
        ("operator", "GET", "passed"),
        ("operator", "POST", "passed"),
        ("operator", "DELETE", "passed"),
    ],
)
def test_roles(
    tmp_path: Path,
    made: dict[str, str],
    connection: FakeConnection | None,
    role: str,
    method: str,
    expected: str,
) -> None:
    """A token counts from anywhere, and its bearer is no more than its role says."""
    answer = ask(
        settings_of(tmp_path),
        connection,
        REQUEST_METHOD=method,
        HTTP_AUTHORIZATION=f"Bearer {made[role]}",
    )
    assert answer == expected


def test_the_owner_needs_none_unless_told(tmp_path: Path, made: dict[str, str]) -> None:
    assert ask(settings_of(tmp_path), REQUEST_METHOD="POST") == "passed"
    strict = settings_of(tmp_path, require_token=True)
    assert ask(strict) == "token_needed"
    assert ask(strict, REQUEST_METHOD="POST") == "token_needed"
    assert ask(strict, HTTP_AUTHORIZATION=f"Bearer {made['viewer']}") == "passed"
    assert ask(strict, PATH_INFO="/", RAW_URI="/") == "passed"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer TOKENx",
        "Bearer TOKEN TOKEN",
        "Bearer \xff",
        "Bearer " + "x" * 8000,
        "Basic TOKEN",
        "TOKEN",
    ],
)
def test_what_is_no_token(tmp_path: Path, made: dict[str, str], header: str) -> None:
    """A wrong token is refused also where none is needed: its bearer is mistaken."""
    answer = ask(
        settings_of(tmp_path), HTTP_AUTHORIZATION=header.replace("TOKEN", made["operator"])
    )
    assert answer == "bad_token"


def test_no_token_in_a_query(tmp_path: Path, made: dict[str, str]) -> None:
    query = f"token={made['operator']}&access_token={made['operator']}"
    assert ask(settings_of(tmp_path), STRANGER, QUERY_STRING=query) == "forbidden"


def test_revoked_and_replaced(tmp_path: Path, tokens: TokenFile, made: dict[str, str]) -> None:
    settings = settings_of(tmp_path)
    new = tokens.rotate("viewer")
    assert ask(settings, HTTP_AUTHORIZATION=f"Bearer {made['viewer']}") == "bad_token"
    assert ask(settings, HTTP_AUTHORIZATION=f"Bearer {new}") == "passed"
    tokens.revoke("viewer")
    assert ask(settings, HTTP_AUTHORIZATION=f"Bearer {new}") == "bad_token"
    assert ask(settings, HTTP_AUTHORIZATION=f"Bearer {made['operator']}") == "passed"


def test_websocket_offers_its_token_as_a_subprotocol(tmp_path: Path, made: dict[str, str]) -> None:
    token = made["viewer"]
    upgrade = {
        "HTTP_UPGRADE": "websocket",
        "HTTP_ORIGIN": "http://localhost:5000",
        "HTTP_USER_AGENT": BROWSER,
    }

    def offer(protocols: str, **more: Any) -> str:
        return ask(
            settings_of(tmp_path),
            STRANGER,
            HTTP_SEC_WEBSOCKET_PROTOCOL=protocols,
            **{**upgrade, **more},
        )

    assert offer(f"probedeck.v1, bearer.{token}") == "passed"
    assert offer("probedeck.v1") == "forbidden"
    assert offer("probedeck.v1, bearer.x") == "bad_token"
    assert offer(f"bearer.{token}, bearer.{token}") == "bad_token"
    assert offer(f"bearer.{token}", HTTP_AUTHORIZATION=f"Bearer {token}") == "bad_token"
    assert offer(f"bearer.{token}", HTTP_UPGRADE=None) == "forbidden", "not a websocket"


def test_earlier_checks_come_first(tmp_path: Path, made: dict[str, str]) -> None:
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {made['operator']}"}
    settings = settings_of(tmp_path)
    assert ask(settings, HTTP_HOST="evil.test", **bearer) == "bad_host"
    assert ask(settings, HTTP_ORIGIN="null", **bearer) == "bad_origin"
    assert ask(settings, HTTP_SEC_FETCH_SITE="cross-site", **bearer) == "cross_site"


SIGN_IN = {"PATH_INFO": "/session", "RAW_URI": "/session"}


@pytest.mark.parametrize("shown", [None, "Bearer pd_wrong", "Probedeck-Proof x", "Basic eDp5"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_signing_in_needs_no_caller(tmp_path: Path, method: str, shown: str | None) -> None:
    """What is shown there is judged there; the checks before it are as for all."""
    settings = replace(settings_of(tmp_path), require_token=True)
    request = {**SIGN_IN, "REQUEST_METHOD": method, "HTTP_AUTHORIZATION": shown}
    assert ask(settings, STRANGER, **request) == "passed"
    assert ask(settings, STRANGER, HTTP_HOST="evil.test", **request) == "bad_host"
    assert ask(settings, STRANGER, HTTP_ORIGIN="null", **request) == "bad_origin"
    assert ask(settings, STRANGER, HTTP_SEC_FETCH_SITE="cross-site", **request) == "cross_site"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_there_do(tmp_path: Path, method: str) -> None:
    assert ask(settings_of(tmp_path), STRANGER, **SIGN_IN, REQUEST_METHOD=method) == "forbidden"


def test_a_session_that_was_never_opened(tmp_path: Path) -> None:
    assert ask(settings_of(tmp_path), HTTP_AUTHORIZATION="Bearer ps_x") == "session_over"


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("127.0.0.2:5000", "passed"),
        ("localhost:5000", "passed"),
        ("127.0.0.3:5000", "bad_host"),
        ("127.0.0.2", "bad_host"),
    ],
)
def test_another_loopback_address_is_ours_where_it_is_listened_on(host: str, answer: str) -> None:
    settings = Settings(listen="127.0.0.2", owner_uid=1000)
    assert settings.address == "http://127.0.0.2:5000/"
    assert ask(settings, HTTP_HOST=host) == answer
    assert ask(Settings(owner_uid=1000), HTTP_HOST="127.0.0.2:5000") == "bad_host"


REMOTE = Settings(listen="::", tls_self_signed=True, host_names=("lab1",), owner_uid=1000)


@pytest.mark.parametrize(
    ("local", "host", "answer"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1:5000", "passed"),
        ("2001:db8::1", "[2001:db8::1]:5000", "passed"),
        ("fe80::1%eth0", "[fe80::1]:5000", "passed"),
        ("2001:db8::1", "lab1:5000", "passed"),
        ("2001:db8::1", "192.0.2.1:5000", "bad_host"),
        ("2001:db8::1", "lab1", "bad_host"),
        ("2001:db8::1", "lab1.:5000", "bad_host"),
    ],
)
def test_hosts_where_other_machines_connect(local: str, host: str, answer: str) -> None:
    """An address is ours only as the one that this very connection was made to."""
    connection = FakeConnection(peer=("::1", 40412), local=(local, 5000))
    owners: dict[int, int | None] = {40412: 1000}
    assert ask(REMOTE, connection, owners, HTTP_HOST=host) == answer
    assert ask(Settings(owner_uid=1000), connection, owners, HTTP_HOST=host) == "bad_host"


def test_by_tls_an_origin_and_a_target_without_it_are_others() -> None:
    own = {"HTTP_HOST": "lab1:5000"}
    assert ask(REMOTE, HTTP_ORIGIN="https://lab1:5000", **own) == "passed"
    assert ask(REMOTE, HTTP_ORIGIN="http://lab1:5000", **own) == "bad_origin"
    assert ask(REMOTE, RAW_URI="https://lab1:5000/probes", **own) == "passed"
    assert ask(REMOTE, RAW_URI="http://lab1:5000/probes", **own) == "bad_host"
