# SPDX-License-Identifier: Apache-2.0
"""What a user sees and does on the console page, for the browser tests."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from app.probes.modes import MODES

IN_ORDER = """(rows) => rows.sort((a, b) =>
    a.getAttribute("aria-rowindex") - b.getAttribute("aria-rowindex"))"""
# Cells by column title, for each row element that shows an event.
ROWS = f"""() => {{
    const titles = [...document.querySelectorAll("[role=columnheader]")];
    const cells = (row) => titles.map(({{ textContent }}, i) =>
        [textContent, row.children[i].textContent]);
    return ({IN_ORDER})([...document.querySelectorAll(".table__body .row:not([hidden])")])
        .filter((row) => !row.classList.contains("row--gap"))
        .map((row) => Object.fromEntries(cells(row)));
}}"""
ARE_GAPS = f"(rows) => ({IN_ORDER})(rows).map((row) => row.classList.contains('row--gap'))"


def rows(page: Page) -> list[dict[str, str]]:
    """The rows that are elements now: those in sight and a few around them."""
    found: list[dict[str, str]] = page.evaluate(ROWS)
    return found


def row(page: Page, text: str) -> Locator:
    return page.locator(".table__body .row:visible").filter(has_text=text)


def gaps_among_rows(page: Page) -> list[bool]:
    """For each row element in use, in order, whether it marks a gap."""
    found: list[bool] = page.locator(".table__body .row:visible").evaluate_all(ARE_GAPS)
    return found


def card(page: Page, name: str) -> Locator:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=name, exact=True))


def filter_box(page: Page, title: str) -> Locator:
    return page.get_by_role("textbox", name=f"Filter {title}", exact=True)


def expect_connected(page: Page) -> None:
    """The websocket is open, and the probes that the service then tells first are shown."""
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    expect(page.locator(".card").nth(len(MODES) - 1)).to_be_attached()


def expect_counts(page: Page, received: str, shown: str) -> None:
    expect(page.locator("#count-received")).to_have_text(received)
    expect(page.locator("#count-shown")).to_have_text(shown)


def chips(page: Page) -> list[str]:
    """The tests below the filter bar, each with where it is made."""
    found: list[str] = page.locator(".chip").evaluate_all(
        "(chips) => chips.map((chip) => [...chip.children].slice(0, 2)"
        ".map(({ textContent }) => textContent).join(' | '))"
    )
    return found


def expect_chips(page: Page, *expected: str) -> None:
    expect(page.locator(".chip")).to_have_count(len(expected))
    assert chips(page) == list(expected)
