"""What a person sees and does on the console page, for the browser tests."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

# Cells by column title, for each row element in use, in the order of the rows. Only rows of
# events; what marks a gap is asked for apart.
ROWS = """() => {
    const titles = [...document.querySelectorAll("[role=columnheader]")].map((it) => it.textContent);
    return [...document.querySelectorAll(".table__body .row:not([hidden]):not(.row--mark)")]
        .sort((a, b) => a.getAttribute("aria-rowindex") - b.getAttribute("aria-rowindex"))
        .map((row) => Object.fromEntries(titles.map((title, i) => [title, row.children[i].textContent])));
}"""


def rows(page: Page) -> list[dict[str, str]]:
    """The rows that are elements now: those in sight and a few around them."""
    found: list[dict[str, str]] = page.evaluate(ROWS)
    return found


def row(page: Page, text: str) -> Locator:
    return page.locator(".table__body .row:visible").filter(has_text=text)


def card(page: Page, name: str) -> Locator:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=name, exact=True))


def filter_box(page: Page, title: str) -> Locator:
    return page.get_by_role("textbox", name=f"Filter {title}", exact=True)


def expect_counts(page: Page, received: str, shown: str) -> None:
    expect(page.locator("#count-received")).to_have_text(received)
    expect(page.locator("#count-shown")).to_have_text(shown)
