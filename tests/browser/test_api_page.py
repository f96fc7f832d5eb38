# SPDX-License-Identifier: Apache-2.0
"""The API's reference in a real browser, and how little the console asks for when it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import grave_faults
from tests.browser.console_page import expect_connected
from tests.support.service import Service


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width_px", [1440, 390])
def test_the_reference_is_linked_and_can_be_read(
    open_page: Callable[..., Page], idle: Service, results: Path, scheme: str, width_px: int
) -> None:
    page = open_page(
        f"http://localhost:{idle.port}/",
        viewport={"width": width_px, "height": 900},
        color_scheme=scheme,
    )
    page.get_by_role("link", name="API", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Probedeck API")
    page.get_by_role("link", name="POST /probes/{probe_id}", exact=True).click()
    expect(page.get_by_role("heading", name="POST /probes/{probe_id}")).to_be_in_viewport()
    expect(page.get_by_role("table", name="POST /probes/{probe_id}, request body")).to_contain_text(
        "filter.pid"
    )
    assert grave_faults(page) == []
    assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0
    page.screenshot(path=results / f"api-{scheme}-{width_px}.png")


def test_a_load_is_few_requests(open_page: Callable[..., Page], idle: Service) -> None:
    """It was 141, one for each module and style sheet."""
    page = open_page("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"http://localhost:{idle.port}/")
    expect_connected(page)
    assert 5 <= len(asked) <= 12, asked
