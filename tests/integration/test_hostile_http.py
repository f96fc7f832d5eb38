# SPDX-License-Identifier: Apache-2.0
"""The hostile list, HTTP: malformed and abusive requests to the real service, with their answers.

Bad input gets a 4xx as problem+json and changes nothing: the service is checked after each.
The list's other parts: `test_hostile_ws.py` (websockets), `test_hostile_starts.py` (starts and
names), tests/web_server/test_schemathesis.py (what the OpenAPI document allows), and where the
caller is another or time is shortened: `test_access.py`, `test_tls.py`,
tests/unit/web/test_guard.py, tests/web_server/test_real_ws.py.

The anchors: gunicorn's corpus of invalid requests, Jupyter Server's and Cockpit's checks of Host
and Origin, Go's CrossOriginProtection.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from app.web.response_headers import CONTENT_SECURITY_POLICY
from tests.support.figures import figure
from tests.support.hostile import FILTER, POOL, Besieged, read_answer, served_beside
from tests.support.waiting import PATIENCE_S, wait_until

END = "Connection: close\n\n"
BAD = (400, "bad_request")
HOST = (403, "bad_host")
ORIGIN = (403, "bad_origin")
SITE = (403, "cross_site")
PROXY = (403, "forbidden")
NOWHERE = (404, "not_found")
LENGTH = (411, "length_required")
INVALID = (422, "invalid")
FINE = (200, None)


@pytest.fixture(autouse=True)
def unchanged(besieged: Besieged) -> Iterator[None]:
    yield
    besieged.check_unchanged()


def check(answer: Any, expected: tuple[int, str | None]) -> None:
    assert (answer.status, answer.code) == expected
    assert f"Content-Security-Policy: {CONTENT_SECURITY_POLICY}\r\n".encode() in answer.raw
    assert b"Cache-Control: no-store\r\n" in answer.raw
    assert b"Access-Control-" not in answer.raw
    assert b"Traceback" not in answer.raw


def get(target: str, headers: str = "", host: str = "Host: LOCAL\n") -> str:
    return f"GET {target} HTTP/1.1\n{host}{headers}{END}"


# --- Host, Origin and other headers ---

HOSTS = {
    "none": "",
    "none in 1.0": None,
    "empty": "Host: \n",
    "another": "Host: evil.test\n",
    "another with our port": "Host: evil.test:PORT\n",
    "without port": "Host: localhost\n",
    "final dot": "Host: localhost.:PORT\n",
    "with a tail": "Host: LOCAL.evil\n",
    "with a user": "Host: user@LOCAL\n",
    "as a user": "Host: LOCAL@evil.test\n",
    "any address": "Host: 0.0.0.0:PORT\n",
    "short address": "Host: 127.1:PORT\n",
    "decimal address": "Host: 2130706433:PORT\n",
    "octal address": "Host: 0177.0.0.1:PORT\n",
    "another loopback": "Host: 127.0.0.2:PORT\n",
    "mapped address": "Host: [::ffff:127.0.0.1]:PORT\n",
    "another port": "Host: localhost:1\n",
    "a list": "Host: LOCAL, LOCAL\n",
    "a URI": "Host: http://LOCAL\n",
}


@pytest.mark.parametrize("host", ["Localhost", "LOCALHOST", "lOCALHOST"])
def test_a_host_is_the_same_in_upper_case(besieged: Besieged, host: str) -> None:
    """RFC 9110, 4.2.3. (LOCALHOST begins with the word that `send` fills in.)"""
    name = f"{host}:{besieged.port}".encode()
    tail = b" HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n%b\r\n"
    origin = b"Origin: http://localhost:%d\r\n" % besieged.port
    for raw in (
        b"GET /probes" + tail % (name, origin),
        b"GET HTTP://%b/probes" % name + tail % (b"localhost:%d" % besieged.port, b""),
        b"GET http://localhost:%d/probes" % besieged.port + tail % (name, b""),
    ):
        with besieged.connect() as connection:
            connection.sendall(raw)
            check(read_answer(connection), FINE)


@pytest.mark.parametrize("method", ["GET", "POST", "BREW"])
@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_other_hosts(besieged: Besieged, host: str | None, method: str) -> None:
    if host is None:
        text = f"{method} /probes/MODE HTTP/1.0\n\n"
    else:
        text = f"{method} /probes/MODE HTTP/1.1\n{host}{END}"
    check(besieged.send(text.replace("PORT", str(besieged.port))), HOST)


TARGETS = {
    "two Hosts": (get("/probes", host="Host: LOCAL\nHost: LOCAL\n"), BAD),
    "two different Hosts": (get("/probes", host="Host: LOCAL\nHost: evil.test\n"), BAD),
    "absolute form of another": (get("http://evil.test/probes"), HOST),
    "Host of another": (get("http://LOCAL/probes", host="Host: evil.test\n"), HOST),
    "absolute form with a user": (get("http://LOCAL@evil.test/probes"), HOST),
    "absolute form with a tail": (get("http://LOCAL.evil.test/probes"), HOST),
    "absolute form, another scheme": (get("https://LOCAL/probes"), HOST),
    "absolute form of ours": (get("http://LOCAL/probes"), FINE),
    "CONNECT": (f"CONNECT LOCAL HTTP/1.1\nHost: LOCAL\n{END}", HOST),
    "static file": (get("/static/x.js", host="Host: evil.test\n"), HOST),
    "sign of life": (get("/healthz", host="Host: evil.test\n"), HOST),
}


@pytest.mark.parametrize(("text", "expected"), TARGETS.values(), ids=TARGETS)
def test_doubled_hosts_and_targets_that_differ(
    besieged: Besieged, text: str, expected: tuple[int, str | None]
) -> None:
    check(besieged.send(text), expected)


SENDERS = {
    "Origin: null": ORIGIN,
    "Origin: ": ORIGIN,
    "Origin: http://evil.test": ORIGIN,
    "Origin: https://LOCAL": ORIGIN,
    "Origin: http://LOCAL.evil.test": ORIGIN,
    "Origin: http://localhost:1": ORIGIN,
    "Origin: http://LOCAL\nOrigin: http://LOCAL": ORIGIN,
    "Sec-Fetch-Site: cross-site": SITE,
    "Sec-Fetch-Site: same-site": SITE,
    "Sec-Fetch-Site: none\nSec-Fetch-Site: none": SITE,
    "X-Forwarded-For: 127.0.0.1": PROXY,
    "X-Forwarded-Host: LOCAL": PROXY,
    "X-Forwarded-Proto: https": PROXY,
    "X-Forwarded-Prefix: /x": PROXY,
    "Forwarded: for=127.0.0.1": PROXY,
    "X-Real-IP: ::1": PROXY,
    "Via: 1.1 proxy": PROXY,
    "SCRIPT_NAME: /probes": BAD,
    "X_Forwarded_For: 127.0.0.1": BAD,
    "REMOTE_USER: root": BAD,
    "Authorization: Basic cm9vdDo=": (401, "bad_token"),
    "Authorization: Bearer pd_none": (401, "bad_token"),
}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(("headers", "expected"), SENDERS.items(), ids=SENDERS)
def test_other_sites_proxies_and_credentials(
    besieged: Besieged, headers: str, expected: tuple[int, str], method: str
) -> None:
    text = f"{method} /probes/MODE HTTP/1.1\nHost: LOCAL\n{headers}\n{END}"
    check(besieged.send(text), expected)


SAME = json.dumps({"filter": FILTER})
OVERRIDES = [
    f"{name}: DELETE"
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method")
]


@pytest.mark.parametrize("header", OVERRIDES)
def test_the_method_is_the_one_of_the_request_line(besieged: Besieged, header: str) -> None:
    expected = BAD if "_" in header else FINE
    check(besieged.send(get("/probes/MODE", f"{header}\n")), expected)
    check(besieged.send(get("/probes/MODE?_method=DELETE")), INVALID)
    text = f"POST /probes/MODE HTTP/1.1\nHost: LOCAL\n{header}\nContent-Type: application/json\n"
    check(besieged.send(f"{text}Content-Length: {len(SAME)}\n{END}{SAME}"), expected)


# --- Paths ---

PATHS = {
    "//probes": NOWHERE,  # werkzeug would make /probes of it
    "//healthz": NOWHERE,
    "//static/index.css": NOWHERE,
    "http://LOCAL//probes": NOWHERE,
    "http://LOCAL/./probes": NOWHERE,
    "http://LOCAL": FINE,
    "http://LOCAL?x": INVALID,
    "//evil.test/probes": NOWHERE,
    "/probes//MODE": NOWHERE,
    "///": NOWHERE,
    "/probes/": FINE,  # a slash at the end makes no difference
    "/probes/MODE/": FINE,
    "/probes/nonesuch/": (404, "unknown_probe"),
    "/events/": FINE,
    "/healthz/": FINE,
    "/openapi.json/": FINE,
    "/nonesuch/": NOWHERE,
    "/probes/MODE//": NOWHERE,
    "/probes%2f..": (404, "unknown_probe"),
    "/probes%2f../probes": NOWHERE,
    "/%2fprobes": NOWHERE,
    "/./probes": NOWHERE,
    "/probes/../probes": NOWHERE,
    "/probes/%2e%2e/probes": NOWHERE,
    "/probes/..%2fprobes": NOWHERE,
    "/probes/MODE/..": NOWHERE,
    "/healthz/../probes": NOWHERE,
    "/healthz%00": NOWHERE,
    "/PROBES": NOWHERE,
    "/probes;a=b": NOWHERE,
    "/probes%3fx": NOWHERE,
    "/static": NOWHERE,
    "/static/": NOWHERE,
    "/static/../app/config.py": NOWHERE,
    "/static/%2e%2e/app/config.py": NOWHERE,
    "/static/..%2fapp%2fconfig.py": NOWHERE,
    "/static/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd": NOWHERE,
    "/static/%252e%252e/app/config.py": NOWHERE,
    "/static/..%5capp%5cconfig.py": NOWHERE,
    "/static//etc/passwd": NOWHERE,
    "/static/%2fetc%2fpasswd": NOWHERE,
    "/static/js/": NOWHERE,
    "/static/%00": NOWHERE,
    "/static/%ff": NOWHERE,
    f"/static/{'x' * 300}": NOWHERE,
    f"/static/{'x/' * 1900}": NOWHERE,
    "/probes/nonesuch": (404, "unknown_probe"),
    "/probes/%2e%2e": (404, "unknown_probe"),
    "/probes/a%0d%0aSet-Cookie:%20x": (404, "unknown_probe"),
    "/probes/%3b%20%7d": (404, "unknown_probe"),
    "/probes/%00": (404, "unknown_probe"),
    "/probes/%ff": (404, "unknown_probe"),
    "/probes/%ed%a0%80": (404, "unknown_probe"),
    "/probes/%1b%5b31m": (404, "unknown_probe"),
    f"/probes/{'x' * 4000}": (404, "unknown_probe"),
    f"/probes/{'x' * 10_000}": (414, "bad_request"),
    "/probes/a b": BAD,
    "/probes/\xff": BAD,
    "/probes/\x00": BAD,
    "/probes#x": FINE,  # the fragment is not the server's
    "/probes%2fMODE": FINE,  # WSGI cannot tell it from a slash
    "*": BAD,
    "probes": BAD,
}


@pytest.mark.parametrize(("path", "expected"), PATHS.items(), ids=lambda v: str(v)[:40])
def test_paths(besieged: Besieged, path: str, expected: tuple[int, str | None]) -> None:
    check(besieged.send(get(path)), expected)


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path", [p for p, answer in PATHS.items() if answer[1] == "unknown_probe"], ids=lambda p: p[:30]
)
def test_unknown_probes_cannot_be_changed(besieged: Besieged, path: str, method: str) -> None:
    text = f"{method} {path} HTTP/1.1\nHost: LOCAL\nContent-Type: application/json\n"
    body = "{}" if method == "DELETE" else '{"filter": {}}'  # DELETE takes none
    check(besieged.send(f"{text}Content-Length: {len(body)}\n{END}{body}"), (404, "unknown_probe"))


QUERIES = {
    "/events?probe=nonesuch": (404, "unknown_probe"),
    "/events?probe=a%0ab": (404, "unknown_probe"),
    "/events?probe=%3b%20%7d": (404, "unknown_probe"),
    f"/events?probe={'x' * 4000}": (404, "unknown_probe"),
    f"/events?probe={'x' * 10_000}": (414, "bad_request"),
    "/events?probe=": (404, "unknown_probe"),
    "/events?probe=MODE&probe=nonesuch": (404, "unknown_probe"),
    "/events?limit=0": INVALID,
    "/events?limit=-1": INVALID,
    "/events?limit=10001": INVALID,
    "/events?limit=1e3": INVALID,
    "/events?limit=%2b5": INVALID,
    "/events?limit=5_0": INVALID,
    "/events?limit=NaN": INVALID,
    "/events?limit=%d9%a1": INVALID,
    f"/events?limit={'9' * 4000}": INVALID,
    "/events?limit=5&limit=6": INVALID,
    "/events?after=x": (400, "bad_cursor"),
    "/events?after=%00": (400, "bad_cursor"),
    "/events?after=%0a": (400, "bad_cursor"),
    f"/events?after={'9' * 4000}": (400, "bad_cursor"),
    "/events?token=x": INVALID,
    **{
        f"{path}?{query}": INVALID
        for path in (
            *("/", "/healthz", "/probes", "/probes/MODE", "/openapi.json", "/static/index.html"),
            *("/users", "/audit", "/events/stream"),
        )
        for query in ("duration_s=2", "a", "a=", "=a", "%00=1")
    },
    "/probes?": FINE,
    "/nonesuch?a=1": NOWHERE,
    "/events?%ff=%ff": INVALID,
    "/events?" + "&".join(f"a{n}=1" for n in range(500)): INVALID,
    "/events/stream?recent=2": INVALID,
    "/events/stream?probe=a%0ab": (404, "unknown_probe"),
    "/users?uid=-1": INVALID,
    "/users?uid=4294967295": INVALID,
    "/users?name=a%0ab": INVALID,
    "/users?name=%00": INVALID,
    f"/users?name={'x' * 257}": INVALID,
    "/users?" + "&".join(f"uid={n}" for n in range(101)): INVALID,
    "/users?name=%3b%20%7d": FINE,
    "/audit?limit=0": INVALID,
    "/audit?limit=a%0ab": INVALID,
}


@pytest.mark.parametrize(("target", "expected"), QUERIES.items(), ids=lambda v: str(v)[:40])
def test_queries(besieged: Besieged, target: str, expected: tuple[int, str | None]) -> None:
    check(besieged.send(get(target)), expected)


# --- Heads and framing: what gunicorn's own corpus has, and more ---


def framed(headers: str, body: str = "", method: str = "POST", version: str = "1.1") -> str:
    return (
        f"{method} /probes/MODE HTTP/{version}\nHost: LOCAL\nContent-Type: application/json\n"
        f"{headers}Connection: close\n\n{body}"
    )


CHUNKED = "Transfer-Encoding: chunked\n"
HEADS: dict[str, tuple[str | bytes, tuple[int, str | None]]] = {
    "bare LF": (b"GET /probes HTTP/1.1\nHost: LOCAL\n\n", BAD),
    "bare LF in the head": (b"GET /probes HTTP/1.1\r\nHost: LOCAL\nA: b\r\n\r\n", BAD),
    "bare CR in a value": (b"GET /probes HTTP/1.1\r\nHost: LOCAL\r\nA: b\rc\r\n\r\n", BAD),
    "NUL in a value": (get("/probes", "A: b\x00c\n"), BAD),
    "DEL in a value": (get("/probes", "A: b\x7fc\n"), BAD),
    "no version": ("GET /probes\n\n", BAD),
    "HTTP/2.0": (f"GET /probes HTTP/2.0\nHost: LOCAL\n{END}", BAD),
    "HTTP/1.10": (f"GET /probes HTTP/1.10\nHost: LOCAL\n{END}", BAD),
    "http/1.1": (f"GET /probes http/1.1\nHost: LOCAL\n{END}", BAD),
    "lower-case method": (f"get /probes HTTP/1.1\nHost: LOCAL\n{END}", BAD),
    "two spaces": (f"GET  /probes HTTP/1.1\nHost: LOCAL\n{END}", BAD),
    "tab": (f"GET\t/probes HTTP/1.1\nHost: LOCAL\n{END}", BAD),
    "space before the line": (f" GET /probes HTTP/1.1\nHost: LOCAL\n{END}", BAD),
    "space before the colon": (get("/probes", "A : b\n"), BAD),
    "space in a name": (get("/probes", "A B: c\n"), BAD),
    "no name": (get("/probes", ": c\n"), BAD),
    "no colon": (get("/probes", "Ab\n"), BAD),
    "name not ASCII": (get("/probes", "\xdf: c\n"), BAD),
    "folded": (get("/probes", "A: b\n c\n"), BAD),
    "folded first": (get("/probes", host=" Host: LOCAL\n"), BAD),
    "two types": (framed("Content-Type: text/plain\nContent-Length: 2\n", "{}"), BAD),
    "Expect of another kind": (get("/probes", "Expect: tea\n"), BAD),
    "PROXY": (f"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\nGET / HTTP/1.1\nHost: LOCAL\n{END}", BAD),
    "PROXY 2": (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + b"\r\n\r\n", BAD),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", BAD),
    "SSH": ("SSH-2.0-OpenSSH_9.2\n\n", BAD),
    "HTTP/2 preface": ("PRI * HTTP/2.0\n\nSM\n\n", BAD),
    "h2c upgrade": (
        get("/probes", "Upgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__\n"),
        FINE,  # which is HTTP/1.1: the offer is not taken (RFC 9110, 7.8)
    ),
    "line of 5 kB": (get(f"/{'x' * 5000}"), (414, "bad_request")),
    "101 headers": (get("/probes", "A: b\n" * 101), (431, "bad_request")),
    "header of 9 kB": (get("/probes", f"A: {'b' * 9000}\n"), (431, "bad_request")),
    "head of 200 kB": (
        f"GET /probes HTTP/1.1\nHost: LOCAL\n{f'A: {chr(98) * 8000}{chr(10)}' * 25}",
        (431, "bad_request"),
    ),
    "length and chunked": (framed("Content-Length: 5\n" + CHUNKED, "0\n\n"), BAD),
    "chunked and length": (framed(CHUNKED + "Content-Length: 5\n", "0\n\n"), BAD),
    "two lengths": (framed("Content-Length: 2\nContent-Length: 2\n", "{}"), BAD),
    "two other lengths": (framed("Content-Length: 2\nContent-Length: 9\n", "{}"), BAD),
    **{
        f"length {length!r}": (framed(f"Content-Length: {length}\n", "{}"), BAD)
        for length in ("-1", "+2", "0x2", "2, 2", "2 2", "2;", "\xb2", "", "2.0", "1e1")
    },
    "length of 10 GB": (framed("Content-Length: 10000000000\n"), (413, "too_large")),
    "length of 10 GB, and go on?": (
        framed("Content-Length: 10000000000\nExpect: 100-continue\n"),
        (413, "too_large"),
    ),
    "length of 4,000 digits": (framed(f"Content-Length: {'9' * 4000}\n"), (413, "too_large")),
    "length of 5,000 digits": (framed(f"Content-Length: {'9' * 5000}\n"), BAD),
    "length of 17 kB": (framed("Content-Length: 17000\n", " " * 17000), (413, "too_large")),
    "chunk of 20 kB": (framed(CHUNKED, f"4e20\n{' ' * 20000}\n0\n\n"), LENGTH),
    "20,000 chunks": (framed(CHUNKED, "1\n \n" * 20000 + "0\n\n"), LENGTH),
    "extension of 9 kB": (framed(CHUNKED, f"1;{'a' * 9000}\n \n0\n\n"), LENGTH),
    "200 kB of extensions": (framed(CHUNKED, f"1;a={'a' * 8000}\n \n" * 25), LENGTH),
    "a chunk": (framed(CHUNKED, f"{len(SAME):x}\n{SAME}\n0\n\n"), LENGTH),
    "a chunk, and go on?": (framed(CHUNKED + "Expect: 100-continue\n"), LENGTH),
    "no chunk": (framed(CHUNKED, "0\n\n"), LENGTH),
    "chunks where no body belongs": (framed(CHUNKED, "0\n\n", method="GET"), LENGTH),
    "trailers": (framed(CHUNKED, "0\n" + "A: b\n" * 30_000 + "\n"), LENGTH),
    "chunked in 1.0": (framed(CHUNKED, "0\n\n", version="1.0"), BAD),
    **{
        f"coding {coding!r}": (framed(f"Transfer-Encoding: {coding}\n", "0\n\n"), BAD)
        for coding in (
            *("xchunked", "chunked, identity", "chunked, chunked", "gzip", "identity"),
            *("\x0bchunked", '"chunked"', "chunked;q=1", ""),
        )
    },
    "chunked twice": (framed(CHUNKED + CHUNKED, "0\n\n"), BAD),
    **{
        f"chunk {chunk!r}": (framed(CHUNKED, chunk), LENGTH)  # it is not even read
        for chunk in (
            *("nonsense\n\n", "-1\n\n", "0x2\n{}\n0\n\n", "+2\n{}\n0\n\n", "2_\n{}\n0\n\n"),
            *(
                " 2\n{}\n0\n\n",
                "2 \n{}\n0\n\n",
                "\n{}\n0\n\n",
                "2\n{}x\n0\n\n",
                "2;\x00\n{}\n0\n\n",
            ),
            *("2\n{}\n0\nContent-Length: 5\n\n", "2\n{}\n0\nHost: evil.test\n\n"),
        )
    },
    "two requests in one, the second bad": (
        f"GET /healthz HTTP/1.1\nHost: LOCAL\n\nGET /probes HTTP/1.1\nHost: evil.test\n{END}",
        FINE,  # the first; the next test looks at the second
    ),
}


@pytest.mark.parametrize(("raw", "expected"), HEADS.values(), ids=HEADS)
def test_heads_and_framing(
    besieged: Besieged, raw: str | bytes, expected: tuple[int, str | None]
) -> None:
    check(besieged.send(raw), expected)


@pytest.mark.parametrize(
    ("begin", "expected"),
    [
        ("GET /probes HTTP/1.1\nHost: LOCAL\n", (431, "bad_request")),
        (framed(CHUNKED, "1;"), LENGTH),
        (framed("Content-Length: 200000\n"), (413, "too_large")),
    ],
    ids=["head", "chunks", "body"],
)
def test_what_is_too_long_is_refused_in_whatever_pieces_it_comes(
    besieged: Besieged, begin: str, expected: tuple[int, str]
) -> None:
    """Each piece is parsed before the next is sent; at 200 kB it must have been refused.

    A service that waited for more would finally answer that the request is too slow.
    """
    header = b"A: " + b"b" * 7995 + b"\r\n"
    piece = header * 5 if begin.startswith("GET") else b"a" * 7995 + b"\r\n1\r\n1;"
    with besieged.connect() as connection:
        connection.sendall(besieged.filled(begin))
        try:
            for _ in range(200_000 // len(piece)):
                connection.sendall(piece)
                assert besieged.service.request("GET", "/healthz").status == 200
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered
        check(read_answer(connection), expected)


def test_the_second_request_of_a_connection_is_looked_at_too(besieged: Besieged) -> None:
    raw, _ = HEADS["two requests in one, the second bad"]
    answers = besieged.send(raw).raw.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"403"]


@pytest.mark.parametrize("target", ["/", "/static/x", "/probes", "/nonesuch", "/events"])
def test_a_body_where_none_belongs_is_not_waited_for(besieged: Besieged, target: str) -> None:
    """It could be 10 GB: the service answers and closes the connection."""
    for host, status in (("LOCAL", None), ("evil.test", 403)):
        answer = besieged.send(
            f"GET {target} HTTP/1.1\nHost: {host}\nContent-Length: 10000000000\n\n{{"
        )
        assert answer.status in ({status} if status else {200, 404})
        assert b"\r\nConnection: close\r\n" in answer.raw


@pytest.mark.parametrize("cut", [b"{", b'{"filter"', b""], ids=repr)
def test_a_body_that_ends_early_is_no_body(besieged: Besieged, cut: bytes) -> None:
    """The kernel names no owner of a closed socket, so the request is refused earlier."""
    head = besieged.filled(framed(f"Content-Length: {len(SAME)}\n"))
    with besieged.connect() as connection:
        connection.sendall(head + cut)
        connection.shutdown(socket.SHUT_WR)
        check(read_answer(connection), PROXY)


def test_who_asks_whether_to_send_a_body_is_told_once(besieged: Besieged) -> None:
    head = besieged.filled(framed(f"Content-Length: {len(SAME)}\nExpect: 100-continue\n"))
    with besieged.connect() as connection:
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(SAME.encode())
        assert read_answer(connection).status == 200


# --- Bodies ---

DEEP = "[" * 8000 + "]" * 8000
BODIES: dict[str, tuple[str, bytes, tuple[int, str]]] = {
    "text/plain": ("text/plain", SAME.encode(), (415, "not_json")),
    "a form": ("application/x-www-form-urlencoded", b"filter=", (415, "not_json")),
    "multipart": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="filter"\r\n\r\n{}\r\n--x--\r\n',
        (415, "not_json"),
    ),
    "no type": ("", SAME.encode(), (415, "not_json")),
    "almost JSON": ("application/jsonx", SAME.encode(), (415, "not_json")),
    "a type beside": ("text/plain, application/json", SAME.encode(), (415, "not_json")),
    **{
        name: ("application/json", body, BAD)
        for name, body in {
            "no JSON": b"{",
            "two values": b"{} {}",
            "8,000 deep": DEEP.encode(),
            "doubled key": b'{"duration_s": 1, "duration_s": 2}',
            "doubled key by an escape": b'{"duration_s": 1, "duration\\u005fs": 2}',
            "doubled key within": b'{"filter": {"pid": 1, "pid": 2}}',
            "NaN": b'{"duration_s": NaN}',
            "Infinity": b'{"duration_s": Infinity}',
            "-Infinity": b'{"duration_s": -Infinity}',
            "5,000 digits": b'{"filter": {"pid": ' + b"9" * 5000 + b"}}",
            "UTF-16": '{"filter": null}'.encode("utf-16"),
            "byte order mark": b"\xef\xbb\xbf{}",
            "not UTF-8": b'{"filter": {"comm": "\xff"}}',
            "surrogate in UTF-8": b'{"filter": {"comm": "\xed\xa0\x80"}}',
            "half a surrogate pair": b'{"filter": {"comm": "\\ud800"}}',
            "a pair in the wrong order": b'{"filter": {"comm": "\\udc00\\ud800"}}',
            "half a pair as a name": b'{"\\ud800": 1}',
            "control character": b'{"filter": {"comm": "a\nb"}}',
            "NUL": b"{}\x00",
            "comment": b"{} // no",
            "single quotes": b"{'filter': null}",
        }.items()
    },
    **{
        body[:40]: ("application/json", body.encode(), INVALID)
        for body in (
            *("[]", '"x"', "5", "true", '{"filter": []}', '{"filter": 5}', '{"filter": "x"}'),
            *('{"duration_s": 1e400}', '{"duration_s": -1e400}', '{"duration_s": 0}'),
            *('{"duration_s": -1}', '{"duration_s": 86401}', '{"duration_s": "5"}'),
            *('{"duration_s": true}', '{"duration_s": []}', '{"duration_s": 1e-400}'),
            *('{"filter": {"pid": 1e400}}', '{"filter": {"pid": 1.5}}', '{"filter": {"pid": 0}}'),
            *('{"filter": {"pid": "1"}}', '{"filter": {"pid": true}}', '{"filter": {"pid": -1}}'),
            '{"filter": {"pid": 4194305}}',
            '{"filter": {"pid": 18446744073709551617}}',
            *('{"filter": {"uid": 4294967295}}', '{"filter": {"uid": -1}}'),
            *('{"filter": {"comm": ""}}', '{"filter": {"comm": "0123456789abcdef"}}'),
            *('{"filter": {"comm": "\\u0000"}}', '{"filter": {"comm": 5}}'),
            '{"filter": {"comm": "' + "x" * 10_000 + '"}}',
            *('{"a\\nb": 1}', '{"; }": 1}', '{"__proto__": {}}', '{"": 1}'),
            '{"' + "k" * 10_000 + '": 1}',
            *('{"filter": {"function": "x"}}', '{"filter": {"only_failures": 1}}'),
            '{"filter": {"only_failures": "true"}}',
            '{"function": "do_unlinkat(); }"}',
        )
    },
    "100,000 deep": ("application/json", b"[" * 100_000, (413, "too_large")),
}


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)
def test_an_empty_form_is_a_form(besieged: Besieged, kind: str, method: str) -> None:
    """An empty form of another site sends this."""
    head = f"{method} /probes/MODE HTTP/1.1\nHost: LOCAL\nContent-Type: {kind}\n"
    for length in ("", "Content-Length: 0\n"):
        check(besieged.send(head + length + END), (415, "not_json"))


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(("kind", "body", "expected"), BODIES.values(), ids=BODIES)
def test_bodies(
    besieged: Besieged, kind: str, body: bytes, expected: tuple[int, str], method: str
) -> None:
    type_line = f"Content-Type: {kind}\n" if kind else ""
    head = f"{method} /probes/MODE HTTP/1.1\nHost: LOCAL\n{type_line}Content-Length: {len(body)}\n"
    check(besieged.send(besieged.filled(head + END) + body), expected)


def test_another_spec_is_refused_as_long_as_one_runs(besieged: Besieged) -> None:
    """Well-formed hostile text is only compared, never executed."""
    for comm in ("\n", "; }", '"; }', "$(id)", "\x1b[31m", "a\\0b", "%s%n", "\u202ex"):
        body = json.dumps({"filter": {"comm": comm}})
        answer = besieged.send(framed(f"Content-Length: {len(body)}\n", body))
        check(answer, (409, "running_differently"))
        running = json.loads(answer.raw.partition(b"\r\n\r\n")[2])["running"]
        assert running["filter"]["comm"] == FILTER["comm"]


METHODS = {
    ("POST", "/openapi.json"): (405, "method_not_allowed"),
    ("POST", "/ws"): (405, "method_not_allowed"),
    ("POST", "/"): (405, "method_not_allowed"),
    ("PATCH", "/audit"): (405, "method_not_allowed"),
    ("PUT", "/probes/MODE/"): (405, "method_not_allowed"),
    ("DELETE", "/users"): (405, "method_not_allowed"),
    ("OPTIONS", "/ws"): BAD,  # a websocket's route is for handshakes
    ("OPTIONS", "/static/x"): FINE,
    ("OPTIONS", "/probes?a=1"): INVALID,
    ("POST", "/probes/nonesuch/"): (404, "unknown_probe"),
    ("POST", "/probes/MODE?duration_s=2"): INVALID,
    ("PATCH", "/probes/MODE?filter="): INVALID,
    ("DELETE", "/probes/MODE?force=1"): INVALID,
    ("POST", "/availability?x"): INVALID,
    ("POST", "//probes/MODE"): NOWHERE,
    ("PUT", "/probes/MODE"): (405, "method_not_allowed"),
    ("BREW", "/probes/MODE"): (405, "method_not_allowed"),
    ("TRACE", "/probes/MODE"): (405, "method_not_allowed"),
    ("POST", "/probes"): (405, "method_not_allowed"),
    ("DELETE", "/probes"): (405, "method_not_allowed"),
    ("POST", "/events"): (405, "method_not_allowed"),
    ("POST", "/healthz"): (405, "method_not_allowed"),
    ("GET", "/availability"): (405, "method_not_allowed"),
    ("POST", "/static/x"): (405, "method_not_allowed"),
    ("DELETE", "/nonesuch"): NOWHERE,
    ("x" * 30, "/probes"): BAD,
    ("G#T", "/probes"): BAD,
    ("GE(T", "/probes"): BAD,
}


@pytest.mark.parametrize(("call", "expected"), METHODS.items(), ids=lambda v: str(v)[:40])
def test_methods(besieged: Besieged, call: tuple[str, str], expected: tuple[int, str]) -> None:
    answer = besieged.send(f"{call[0]} {call[1]} HTTP/1.1\nHost: LOCAL\n{END}")
    check(answer, expected)
    assert (b"\r\nAllow: " in answer.raw) == (expected[0] == 405 or expected == FINE)


# --- Slow and silent clients ---

SLOW = {
    "line": "GET /probes HTTP/1.1",
    "head": "GET /probes HTTP/1.1\nHost: LOCAL\n",
    "body": framed("Content-Length: 2000\n"),
}


EARLY = {
    "another host": ("POST /probes/MODE HTTP/1.1\nHost: evil.test\n", HOST),
    "another site": ("POST /probes/MODE HTTP/1.1\nHost: LOCAL\nOrigin: null\n", ORIGIN),
    "a wrong token": (
        "POST /probes/MODE HTTP/1.1\nHost: LOCAL\nAuthorization: Bearer pd_none\n",
        (401, "bad_token"),
    ),
    "a proxy": ("POST /probes/MODE HTTP/1.1\nHost: LOCAL\nVia: 1.1 x\n", PROXY),
    "a wrong token, for nothing": (
        "POST /nonesuch HTTP/1.1\nHost: LOCAL\nAuthorization: Bearer pd_none\n",
        (401, "bad_token"),
    ),
}


@pytest.mark.parametrize("length", ["Content-Length: 2000", "Content-Length: 90000", CHUNKED[:-1]])
@pytest.mark.parametrize("expects", ["", "Expect: 100-continue\n"])
@pytest.mark.parametrize(("head", "expected"), EARLY.values(), ids=EARLY)
def test_who_may_not_come_in_is_told_so_before_the_body(
    besieged: Besieged, head: str, expected: tuple[int, str], expects: str, length: str
) -> None:
    """The body is never sent and the connection stays open: nothing waits for it."""
    check(besieged.send(f"{head}{length}\n{expects}\n"), expected)


def healthz_s(besieged: Besieged) -> float:
    began_s = time.monotonic()
    assert besieged.service.request("GET", "/healthz").status == 200
    return time.monotonic() - began_s


def test_those_who_send_slowly_are_cut_off_and_keep_out_nobody(besieged: Besieged) -> None:
    """Twice as many clients as threads, each trickling bytes of another part of a request."""
    with ExitStack() as stack:
        slow = {}
        for number in range(2 * POOL):
            name = list(SLOW)[number % len(SLOW)]
            connection = stack.enter_context(besieged.connect())
            connection.sendall(besieged.filled(SLOW[name]))
            slow[connection] = time.monotonic()
        served_beside(besieged.service, slow)
        worst_s = 0.0
        lasted_s = []
        answers = []
        while slow:
            worst_s = max(worst_s, healthz_s(besieged))
            for connection, began_s in list(slow.items()):
                assert time.monotonic() - began_s < PATIENCE_S, "not cut off"
                try:
                    connection.sendall(b"1")
                except (BrokenPipeError, ConnectionResetError):
                    pass  # its answer is there
                connection.settimeout(0.001)
                try:
                    first = connection.recv(65536)
                except TimeoutError:
                    continue
                assert first, "no answer"
                lasted_s.append(time.monotonic() - began_s)
                answers.append((int(first.split()[1]), json.loads(first.split(b"\r\n\r\n")[1])))
                del slow[connection]
    figure("slow senders, longest until cut off", f"{max(lasted_s):.1f} s")
    figure("slow senders, slowest /healthz meanwhile", f"{worst_s * 1000:.0f} ms")
    assert {(status, problem["code"]) for status, problem in answers} == {(408, "too_slow")}


@pytest.mark.parametrize("count", [POOL + 1, 1100])
def test_those_who_send_nothing_keep_out_nobody(besieged: Besieged, count: int) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(besieged.connect()) for _ in range(count)]
        served_beside(besieged.service, silent)
        slowest_s = max(healthz_s(besieged) for _ in range(20))
        figure(f"{count} silent connections, slowest /healthz", f"{slowest_s * 1000:.0f} ms")
        besieged.service.expect(200, "GET", "/probes")
        for connection in silent:
            assert not connection.recv(1), "it is let go, with nothing to answer"
    wait_until(lambda: besieged.service.request("GET", "/healthz").status == 200, "its return")


def test_those_who_do_not_leave_keep_out_nobody(besieged: Besieged) -> None:
    """They have their answer and do not close: no thread waits for them."""
    with ExitStack() as stack:
        staying = [stack.enter_context(besieged.connect()) for _ in range(2 * POOL)]
        for connection in staying:
            connection.sendall(besieged.filled(framed("Content-Length: 10000000000\n")))
        for connection in staying:
            assert connection.recv(12) == b"HTTP/1.1 413"
        for _ in range(20):
            healthz_s(besieged)
