# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the browser tests: a real Chromium, and the fake service for the page alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app import ROOT
from tests.browser.chromium import FLAGS, PATIENCE_MS, chromium_path
from tests.browser.console_page import expect_connected
from tests.browser.fake_service import FakeService, Server
from tests.support.fixtures import (  # noqa: F401  fixtures
    cache,
    idle,
    modes,
    session_service,
    strict,
)

RESULTS = ROOT / "test-results"
# How many times slower scripts of the pages run: what a test reads without waiting is then
# not there yet. For use by hand: PROBEDECK_TEST_SLOW_PAGE=8 ./test browser.
SLOWER = float(os.environ.get("PROBEDECK_TEST_SLOW_PAGE", "1"))
# Recorded from the start of each page: a policy violation is a defect in any test.
RECORD_VIOLATIONS = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
        window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages in new profiles; then assert that no script failed and no policy was hit."""
    pages: list[Page] = []
    errors: list[str] = []

    def opened(url: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        context.add_init_script(RECORD_VIOLATIONS)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        if SLOWER > 1:
            session = context.new_cdp_session(page)
            session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        page.on("pageerror", lambda error: errors.append(error.stack or error.message))
        page.goto(url)
        pages.append(page)
        return page

    yield opened
    for page in pages:
        errors += page.evaluate("window.violations")
        errors += page.locator(".notice", has_text="was not understood").all_text_contents()
        page.context.close()
    assert errors == []


@pytest.fixture
def server() -> Iterator[Server]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with Server(FakeService(), str(ROOT)) as server:
        yield server


@pytest.fixture
def fake(server: Server) -> FakeService:
    return server.fake


@pytest.fixture
def page(open_page: Callable[..., Page], server: Server) -> Page:
    """Return the console, connected to the fake service."""
    page = open_page(server.url)
    expect_connected(page)
    return page


@pytest.fixture
def results() -> Path:
    RESULTS.mkdir(exist_ok=True)
    return RESULTS
