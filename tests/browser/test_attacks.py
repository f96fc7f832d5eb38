# SPDX-License-Identifier: Apache-2.0
"""Attacks from within a real browser whose user may do everything: pages of others, on another
port, in a sandbox, under a name that DNS was bent to point here. Nothing happens, nothing leaks.

The real service; Chromium runs as its owner, so that each request would be let in but for the
checks of Host, Origin and Sec-Fetch-Site. The same attacks are run against a server without
any, which shows that they would succeed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Frame, Page

from tests.browser.chromium import FLAGS, PATIENCE_MS, chromium_path
from tests.browser.console_page import expect_connected
from tests.support.figures import figure
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

ATTACK = Path(__file__).with_name("attack.js").read_text()
EVIL = "evil.test"
# Chromium's own defence of local servers: not every browser has it, so it must not be what helps.
WITHOUT_BROWSERS_HELP = (
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"
)
EMPTY = "<!doctype html><title>attack</title><body>somebody's page</body>"
KINDS = {  # what each kind of element loads
    "script": ("text/javascript", "0"),
    "style": ("text/css", ""),
    "image": ("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
}
SANDBOX = "<iframe sandbox='allow-scripts allow-forms' srcdoc='<body>sandbox</body>'></iframe>"


@dataclass
class Site:
    """A web site of somebody else's on this machine; `seen` are the requests that it got."""

    port: int
    seen: list[str] = field(default_factory=list)


@contextmanager
def site() -> Iterator[Site]:
    """One that serves pages to attack from, redirects, and lets everybody do and read all."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            self.rfile.read(length)
            found.seen.append(f"{self.command} {self.path}")
            if self.path.startswith("/redirect/"):
                _, _, status, url = self.path.split("/", 3)
                self.send_response(int(status))
                self.send_header("Location", url)
                body = b""
            else:
                wanted = self.headers.get("Sec-Fetch-Dest", "document")
                kind, text = KINDS.get(wanted, ("text/html", EMPTY))
                body = SANDBOX.encode() if self.path == "/sandbox" else text.encode()
                self.send_response(200)
                self.send_header("Content-Type", kind)
            origin = self.headers.get("Origin", "*")
            self.send_header("Access-Control-Allow-Origin", origin)
            self.send_header("Access-Control-Allow-Credentials", "true")
            self.send_header("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE, PUT")
            asked = self.headers.get("Access-Control-Request-Headers", "content-type")
            self.send_header("Access-Control-Allow-Headers", asked)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_HEAD = do_PATCH = do_DELETE = do_PUT = do_OPTIONS = answer

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a browser that closes a connection is no defect

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Site(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def attacker() -> Iterator[Site]:
    with site() as found:
        yield found


@pytest.fixture(scope="module")
def victim(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, modes: tuple[str, ...]
) -> Iterator[Service]:
    """A service of its own: what happens in it is the attack's doing."""
    with running_service(tmp_path_factory.mktemp("victim"), cache) as service:
        yield service


@pytest.fixture(scope="module")
def reckless(browser: Browser) -> Iterator[Browser]:
    """A Chromium for which DNS says that evil.test is this machine, without defences of its own."""
    rules = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
    launched = browser.browser_type.launch(
        executable_path=chromium_path(), args=[*FLAGS, rules, WITHOUT_BROWSERS_HELP]
    )
    yield launched
    launched.close()


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()


def routes(service: Service, mode: str) -> list[tuple[str, str]]:
    """Every method and path of the OpenAPI document, and what is not in there."""
    paths = service.expect(200, "GET", "/openapi.json")["paths"]
    found = [
        (method.upper(), path.replace("{probe_id}", mode).replace("{name}", "openat"))
        for path, operations in paths.items()
        for method in operations
        if method in ("get", "post", "patch", "delete", "put", "head")
    ]
    assert not [path for _, path in found if "{" in path], "a parameter that is not filled in"
    assert ("POST", f"/probes/{mode}") in found
    more = ["/", "/ws", "/openapi.json", "/static/js/main.js", "/nonesuch"]
    return (
        found + [("GET", path) for path in more] + [("HEAD", "/probes"), ("PUT", f"/probes/{mode}")]
    )


def attack(where: Page | Frame, target: str, on: list[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = where.evaluate(ATTACK, {"target": target, "routes": on})
    return found


@contextmanager
def nothing_happens(service: Service) -> Iterator[None]:
    """Check that no probe changed, the audit log has no new entry, and no stream is open."""
    before = service.probes()
    entries = service.audit_log.read_text() if service.audit_log.exists() else ""
    yield
    assert service.probes() == before
    assert (service.audit_log.read_text() if service.audit_log.exists() else "") == entries


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("target", ["127.0.0.1", "localhost"])
def test_a_page_on_another_port(
    browser: Browser,
    reckless: Browser,
    attacker: Site,
    victim: Service,
    modes: tuple[str, ...],
    host: str,
    target: str,
) -> None:
    """On localhost that is the same site: no cookie rule would tell the two apart."""
    with nothing_happens(victim), opened(reckless, f"http://{host}:{attacker.port}/") as page:
        found = attack(page, f"http://{target}:{victim.port}", routes(victim, modes[-1]))
    assert found["leaks"] == []
    assert found["attempts"] > 100
    figure(
        f"attempts of a page on {host} against {target}, none of which did anything",
        str(found["attempts"]),
    )


def test_a_sandboxed_frame_has_no_origin(
    reckless: Browser, attacker: Site, victim: Service, modes: tuple[str, ...]
) -> None:
    """`Origin: null`."""
    with (
        nothing_happens(victim),
        opened(reckless, f"http://127.0.0.1:{attacker.port}/sandbox") as page,
    ):
        frame = page.frames[1]
        assert frame.evaluate("self.origin") == "null"
        found = attack(frame, f"http://localhost:{victim.port}", routes(victim, modes[-1]))
    assert found["leaks"] == []


@contextmanager
def rebound(browser: Browser, port: int) -> Iterator[Page]:
    """A page of evil.test on this port, loaded while that name was somebody else's."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.route(
        f"http://{EVIL}:{port}/first",
        lambda route: route.fulfill(content_type="text/html", body=EMPTY),
    )
    page.goto(f"http://{EVIL}:{port}/first")
    yield page
    context.close()


def test_dns_rebinding(reckless: Browser, victim: Service, modes: tuple[str, ...]) -> None:
    """For the browser the page and Probedeck are one origin then: only the Host header tells."""
    own = f"http://{EVIL}:{victim.port}"
    with nothing_happens(victim), rebound(reckless, victim.port) as page:
        assert page.evaluate("self.origin") == own
        found = attack(page, own, routes(victim, modes[-1]))
        # It may read the refusals, which are the same for all.
        assert found["attempts"] > 100
        assert [
            leak for leak in found["leaks"] if "bad_host" not in leak and " 403 " not in leak
        ] == []
        seen = page.goto(f"{own}/")
        assert seen
        assert (seen.status, seen.json()["code"]) == (403, "bad_host")


def test_redirects_and_links(
    reckless: Browser, attacker: Site, victim: Service, modes: tuple[str, ...]
) -> None:
    target = f"http://localhost:{victim.port}"
    with nothing_happens(victim), opened(reckless, f"http://127.0.0.1:{attacker.port}/") as page:
        for status in (302, 307, 308):
            form = f"/redirect/{status}/{target}/probes/{modes[-1]}"
            page.goto(f"http://127.0.0.1:{attacker.port}/")
            with page.expect_navigation():
                page.evaluate(
                    """(action) => {
                        const form = document.createElement("form");
                        Object.assign(form, { action, method: "post" });
                        document.body.append(form);
                        form.submit();
                    }""",
                    form,
                )
            assert "problem" not in page.title()
            assert '"code"' in page.content()  # the refusal, which the person sees
        # A link to the page itself may be followed; who made it holds no thread to it.
        page.goto(f"http://127.0.0.1:{attacker.port}/")
        with page.context.expect_page() as popup:
            page.evaluate("(url) => { window.got = window.open(url); }", f"{target}/")
        expect_connected(popup.value)
        assert popup.value.evaluate("window.opener") is None
        wait_until(lambda: page.evaluate("window.got.closed"), "the opener to be cut off")
        popup.value.close()
        wait_until(lambda: not victim.probe(modes[-1])["clients"], "its websocket to be gone")


def test_the_attacks_are_ones(
    reckless: Browser, attacker: Site, victim: Service, modes: tuple[str, ...]
) -> None:
    """Against a server without defences they arrive, act and read: by each way that is tried."""
    on = routes(victim, modes[-1])
    with site() as careless:
        with opened(reckless, f"http://127.0.0.1:{attacker.port}/") as page:
            found = attack(page, f"http://localhost:{careless.port}", on)
        assert set(careless.seen) >= {f"{method} {path}" for method, path in on}
        kinds = {leak.split()[0] for leak in found["leaks"]}
        assert kinds >= {"fetch", "opaque", "override", "script", "img", "link"}
        careless.seen.clear()
        with rebound(reckless, careless.port) as page:
            found = attack(page, f"http://{EVIL}:{careless.port}", on)
        assert {leak.split()[0] for leak in found["leaks"]} >= {"fetch", "iframe", "script"}
        assert set(careless.seen) >= {f"{method} {path}" for method, path in on}
