# SPDX-License-Identifier: Apache-2.0
"""Names that processes and files choose to do harm: shown with what is unseen made visible,
nothing of them runs, and saved as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console_page import card, expect_connected, expect_counts, row, rows
from tests.browser.exported import TYPED, export, read_csv, read_ndjson
from tests.browser.fake_service import FakeService
from tests.support.fixtures import skip
from tests.support.service import Service

# Name of a file or process -> how it is shown.
NAMES = {
    b"<img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
    b"<svg onload=document.title=1>": "<svg onload=document.title=1>",
    b"\x1b[31m\x1b]0;owned\x07": "\\e[31m\\e]0;owned\\a",
    "txt.\u202eexe".encode(): "txt.U+202Eexe",
    "\u2067\u05d0\u05d1\u200b".encode(): "U+2067אבU+200B",
    b"\xff\xfe caf\xe9": "\\xff\\xfe caf\\xe9",
    b"two\nlines\r": "two\\nlines\\r",
    b"=cmd|' C calc'!A0": "=cmd|' C calc'!A0",
    b"@SUM(1+1)": "@SUM(1+1)",
    b'";=1+1,"\t-1': '";=1+1,"\\t-1',
    b"x" * 255: "x" * 255,
}
COMM_BYTES = 15
# Deletes the file argv[2] under the name argv[1], as a thread of that name.
DELETE = """
import ctypes, os, sys
name, path = map(os.fsencode, sys.argv[1:])
ctypes.CDLL(None).prctl(15, name)  # PR_SET_NAME
os.unlink(path)
"""


def as_served(name: bytes) -> str:
    """What the service makes of it: valid text (docs/protocol.md)."""
    return name.decode("utf-8", "backslashreplace")


def shown_comm(name: bytes) -> bytes:
    return name[:COMM_BYTES]


@pytest.fixture(params=["fake", "real"])
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Page, Path]:
    """The page showing a deletion for each name, of the fake service or of real files, and the
    folder of those files."""
    if request.param == "fake":
        page, fake = request.getfixturevalue("page"), request.getfixturevalue("fake")
        fake_deletions(fake, tmp_path)
    else:
        page = request.getfixturevalue("console")
        real_deletions(page, request.getfixturevalue("modes"), tmp_path)
    page.get_by_label("Filter", exact=True).fill(str(tmp_path))
    expect(page.locator("#count-shown")).to_have_text(str(len(NAMES)))
    return page, tmp_path


@pytest.fixture
def console(open_page: Callable[..., Page], idle: Service) -> Page:
    page = open_page(f"http://localhost:{idle.port}/")
    expect_connected(page)
    return page


def fake_deletions(fake: FakeService, folder: Path) -> None:
    fake.start("tracepoint")
    files = [as_served(os.fsencode(folder) + b"/" + name).encode() for name in NAMES]
    comms = [as_served(shown_comm(name)).encode() for name in NAMES]
    fake.emit("tracepoint", {"filename": files, "comm": comms})


def real_deletions(page: Page, modes: tuple[str, ...], folder: Path) -> None:
    if "tracepoint" not in modes:
        skip("this kernel refuses tracepoint mode")
    page.get_by_role("button", name="Start tracepoint", exact=True).click()
    expect(card(page, "tracepoint").locator(".state")).to_have_text("running")
    for name in NAMES:
        path = os.fsencode(folder) + b"/" + name
        Path(os.fsdecode(path)).touch()
        subprocess.run([sys.executable, "-c", DELETE, shown_comm(name), path], check=True)


def test_what_is_unseen_is_shown_and_nothing_runs(
    hostile: tuple[Page, Path], results: Path, request: pytest.FixtureRequest
) -> None:
    page, folder = hostile
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    found = rows(page)
    assert [it["File"] for it in found] == [f"{folder}/{shown}" for shown in NAMES.values()]
    for it, name in zip(found, NAMES, strict=True):
        if name.isascii() and b"\x1b" not in name:
            expected = shown_comm(name).decode().replace("\n", "\\n").replace("\r", "\\r")
            assert it["Process"] == expected.replace("\t", "\\t")
    # Titles, which are filled by hovering, and what keys open.
    for cell in page.locator(".table__body .row:visible .cell--path").all()[:4]:
        cell.hover()
        title = cell.get_attribute("title") or ""
        assert title
        assert title.isprintable()
    page.locator("#grid").press("Home")
    page.locator("#grid").press("Enter")
    assert page.locator("#grid :is(img, svg, script)").count() == 0
    assert page.title() == "Probedeck"
    assert dialogs == []
    page.screenshot(path=results / f"hostile-{request.node.callspec.params['hostile']}.png")


@pytest.mark.parametrize("title", ["CSV", "NDJSON", "Arrow", "Parquet"])
def test_saved_as_they_are(hostile: tuple[Page, Path], tmp_path: Path, title: str) -> None:
    page, folder = hostile
    path = export(page, title, "shown", tmp_path)
    truth = [as_served(os.fsencode(folder) + b"/" + name) for name in NAMES]
    if title == "CSV":
        found = read_csv(path)
        for it in found:
            for cell in (it["comm"], it["filename"]):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        # Apart from the apostrophes before what could be a formula.
        saved = [it["filename"].replace("'", "") for it in found]
        assert saved == [name.replace("'", "") for name in truth]
        return
    found = read_ndjson(path) if title == "NDJSON" else TYPED[title](path)[1]
    assert [it["filename"] for it in found] == truth


def test_ndjson_has_the_bytes_of_the_services_own_stream(
    console: Page, idle: Service, modes: tuple[str, ...], tmp_path: Path
) -> None:
    page = console
    real_deletions(page, modes, tmp_path)
    page.get_by_label("Filter", exact=True).fill(str(tmp_path))
    expect(page.locator("#count-shown")).to_have_text(str(len(NAMES)))
    saved = export(page, "NDJSON", "shown", tmp_path).read_bytes().splitlines()
    with closing(HTTPConnection("127.0.0.1", idle.port, timeout=60)) as connection:
        connection.request("GET", "/events/stream?probe=tracepoint&recent=1")
        stream = connection.getresponse()
        streamed: list[bytes] = []
        while len(streamed) < len(NAMES):
            line = stream.readline()
            if str(tmp_path).encode() in line:
                streamed.append(line.rstrip(b"\n"))
    assert saved == streamed


def test_a_row_of_hostile_names_can_be_found_by_them(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", {"filename": [b"/a/<b>bold</b>", b"/a/other"]})
    expect_counts(page, "2", "2")
    page.get_by_label("Filter", exact=True).fill('"<b>BOLD"')
    expect_counts(page, "2", "1")
    expect(row(page, "<b>bold</b>")).to_be_visible()
