# SPDX-License-Identifier: Apache-2.0
"""Tokens in a real browser, against the real service: shown in the address once, then nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.access.tokens import OPERATOR, VIEWER, TokenFile
from tests.browser.axe import grave_faults
from tests.browser.console_page import expect_connected
from tests.support.service import Service


@pytest.fixture
def token(strict: Service, request: pytest.FixtureRequest) -> Callable[[str], str]:
    tokens = TokenFile(strict.run_dir)
    names = iter(range(10))
    return lambda role: tokens.add(f"{request.node.name[:20]}-{next(names)}", role)


def test_a_link_with_a_token(
    open_page: Callable[..., Page],
    strict: Service,
    token: Callable[[str], str],
    modes: tuple[str, ...],
) -> None:
    """It is taken out of the address, lasts for the tab, and a viewer's starts nothing."""
    viewer = token(VIEWER)
    page = open_page(f"http://localhost:{strict.port}/#token={viewer}&other=1")
    expect_connected(page)
    assert viewer not in page.url
    assert page.url.endswith("#other=1")
    assert viewer not in page.content()
    assert page.context.cookies() == []
    start = page.get_by_role("button", name=f"Start {modes[-1]}", exact=True)
    expect(start).to_be_disabled()
    expect(page.locator("#watch")).to_be_disabled()
    expect(page.get_by_role("button", name="Audit log")).to_be_hidden()
    page.reload()
    expect_connected(page)
    assert viewer not in page.url
    expect(page.get_by_role("dialog", name="Sign in with a token")).to_be_hidden()


def test_a_page_without_a_token_asks_for_one(
    open_page: Callable[..., Page],
    strict: Service,
    token: Callable[[str], str],
    modes: tuple[str, ...],
    results: Path,
) -> None:
    page = open_page(f"http://localhost:{strict.port}/")
    dialog = page.get_by_role("dialog", name="Sign in with a token")
    expect(dialog).to_be_visible()
    assert grave_faults(page) == []
    field = dialog.get_by_label("Token")
    field.fill("pd_wrong")
    field.press("Enter")
    expect(dialog).to_contain_text("not, or no longer, valid")
    operator = token(OPERATOR)
    # As it stands on the terminal.
    field.fill(f"http://localhost:{strict.port}/#token={operator}")
    field.press("Enter")
    expect_connected(page)
    expect(dialog).to_be_hidden()
    mode = modes[-1]
    page.get_by_role("button", name=f"Start {mode}", exact=True).click()
    page.get_by_role("button", name=f"Stop {mode} for everyone", exact=True).click()
    expect(page.get_by_role("button", name=f"Start {mode}", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Audit log").click()
    audit = page.get_by_role("dialog", name="Audit log")
    newest = audit.locator("tbody tr").first
    expect(newest).to_contain_text(f"DELETE /probes/{mode}")
    expect(newest).to_contain_text("200")
    expect(audit.locator("tbody tr")).to_have_count(2)
    assert grave_faults(page) == []
    page.screenshot(path=results / "audit.png")
    audit.get_by_role("button", name="Close").click()
    expect(audit).to_be_hidden()


def test_a_revoked_token_ends_the_session(
    open_page: Callable[..., Page], strict: Service, token: Callable[[str], str]
) -> None:
    tokens = TokenFile(strict.run_dir)
    secret = token(VIEWER)
    found = tokens.find(secret)
    assert found is not None
    page = open_page(f"http://localhost:{strict.port}/#token={secret}")
    expect_connected(page)
    tokens.revoke(found.name)
    expect(page.get_by_role("dialog", name="Sign in with a token")).to_be_visible()
