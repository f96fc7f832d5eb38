# SPDX-License-Identifier: Apache-2.0
"""Another user's program takes the port after the service ended, while the page is open: what it
is sent is worthless to it, both alone and at a service that is started later."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from app.access.tokens import OPERATOR, TokenFile
from tests.browser.console_page import expect_connected
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

NOBODY = 65534
PROGRAM = Path(__file__).with_name("impostor.py")
FORGET_NOTHING = re.compile(rb"[A-Za-z0-9_.-]{16,}")


class Record:
    """All that was sent to the impostor."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def sent(self) -> bytes:
        return self.path.read_bytes()

    def wait_for(self, text: bytes, times: int = 1) -> None:
        wait_until(lambda: self.sent.count(text) >= times, f"{times} of {text!r}")


@contextmanager
def impostor(port: int) -> Iterator[Record]:
    """Listens on `port` as another user."""
    # Not below the test's own folder, where another user has no way in.
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, NOBODY, NOBODY)
        program = Path(folder) / "impostor.py"
        program.write_text(PROGRAM.read_text())
        program.chmod(0o644)
        record = Record(Path(folder) / "sent")
        process = subprocess.Popen(
            ["/usr/bin/python3", program, str(port), record.path],
            stdout=subprocess.PIPE,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd="/",
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"listening\n"
            yield record
        finally:
            process.kill()
            process.communicate()


def accepts(service: Service, method: str, path: str, headers: dict[str, str]) -> int:
    """The status of a request with what was captured."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    try:
        connection.request(method, path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def check_worthless(sent: bytes, service: Service, token: str) -> None:
    """No part of it is the token, what is kept of it, or anything the service takes."""
    digest = hashlib.sha256(token.encode())
    for secret in (token.encode(), token[3:].encode(), digest.hexdigest().encode()):
        assert secret not in sent
    credentials = set(re.findall(rb"(?mi)^authorization: (.*?)\r$", sent))
    for value in credentials:
        header = {"Authorization": value.decode()}
        assert accepts(service, "GET", "/probes", header) == 401
        assert accepts(service, "POST", "/session", header) == 401
    for word in {each.decode() for each in FORGET_NOTHING.findall(sent)}:
        assert accepts(service, "GET", "/probes", {"Authorization": f"Bearer {word}"}) == 401


def test_who_takes_the_port_gets_nothing(
    open_page: Callable[..., Page], tmp_path: Path, cache: Path
) -> None:
    with running_service(tmp_path, cache, "--require-token") as service:
        token = TokenFile(service.run_dir).add("desk", OPERATOR)
        page = open_page(f"http://localhost:{service.port}/#token={token}")
        expect_connected(page)
        port = service.port
    with impostor(port) as record:
        record.wait_for(b"POST /session ", 2)  # it reconnected automatically, and again
        expect(page.locator("#connection-text")).to_contain_text("does not know your token")
        page.locator("#ask-again").click()  # a call, by hand
        record.wait_for(b"GET /session ", 4)
        sent = record.sent
        assert b"Probedeck-Proof" in sent
    with running_service(tmp_path, cache, "--require-token", port=port) as service:
        check_worthless(sent, service, token)
        assert accepts(service, "GET", "/probes", {"Authorization": f"Bearer {token}"}) == 200
        # The page, which was let in before, is again, without being asked.
        expect_connected(page)


def test_a_page_that_is_opened_again_gives_the_port_no_token_either(
    open_page: Callable[..., Page], tmp_path: Path, cache: Path
) -> None:
    """The impostor's own scripts run as the console's origin then: there is a key, and no token."""
    with running_service(tmp_path, cache, "--require-token") as service:
        token = TokenFile(service.run_dir).add("desk", OPERATOR)
        page = open_page(f"http://localhost:{service.port}/#token={token}")
        expect_connected(page)
        page.reload()
        expect_connected(page)
        port = service.port
    with impostor(port) as record:
        page.reload()
        record.wait_for(b"POST /loot ")
        record.wait_for(b"raw: InvalidAccessError")  # it found the key, and could not read it
        record.wait_for(b"jwk: InvalidAccessError")
        sent = record.sent
    with running_service(tmp_path, cache, "--require-token", port=port) as service:
        check_worthless(sent, service, token)
        page.goto(f"http://localhost:{port}/")
        expect_connected(page)


def test_the_record_would_show_a_token(tmp_path: Path) -> None:
    """The test can fail: what is sent as a token is found."""
    from tests.support.service import free_port

    port = free_port()
    with impostor(port) as record:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/probes", headers={"Authorization": "Bearer pd_secret"})
        connection.getresponse().read()
        connection.close()
        assert b"Bearer pd_secret" in record.sent
