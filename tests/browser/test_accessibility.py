# SPDX-License-Identifier: Apache-2.0
"""The page for everyone: axe-core's rules, the keyboard, the theme, what is said aloud."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import grave_faults
from tests.browser.console_page import expect_connected, expect_counts, filter_box
from tests.browser.fake_service import REFUSED, FakeService, Server, plausible

WINDOWS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 740}},
    "zoomed to 200%": {"viewport": {"width": 720, "height": 450}, "device_scale_factor": 2},
    "dark and narrow": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
}


def fill(page: Page, fake: FakeService) -> None:
    """Rows of all kinds, a loss, a mode that is not available."""
    fake.probes["kprobe"].record.update(available=False, **REFUSED)
    fake.start("fexit")
    fake.emit("fexit", plausible(40))
    fake.gap("fexit", "kernel", 12)
    fake.emit("fexit", {"filename": [b"\x1b[31m", None], "comm": ["\u202e".encode(), b"rm"]})
    fake.tell_state("kprobe")
    expect_counts(page, "42", "42")


@pytest.fixture(params=WINDOWS)
def window(request: pytest.FixtureRequest, open_page: Callable[..., Page], server: Server) -> Page:
    page = open_page(server.url, **WINDOWS[request.param])
    expect_connected(page)
    return page


def test_no_grave_fault_before_the_first_event(window: Page) -> None:
    assert grave_faults(window) == []


def test_no_grave_fault_with_rows(window: Page, fake: FakeService) -> None:
    fill(window, fake)
    window.locator("#grid").press("Home")
    assert grave_faults(window) == []


def test_no_grave_fault_beside_the_table(window: Page, fake: FakeService) -> None:
    """The summary, and a row's detail, with a filter whose tests stand under the bar."""
    fill(window, fake)
    window.locator("#text-filter").fill("comm~* and not pid=1")
    window.keyboard.press("Escape")  # what it offers lies over what is below
    window.get_by_role("button", name="Summary", exact=True).click()
    expect(window.locator("#summary")).to_contain_text("events")
    assert grave_faults(window) == []
    window.locator("#summary").get_by_role("button", name="Close").click()
    window.locator("#grid").press("Home")
    window.locator("#grid").press("Enter")
    expect(window.locator("#detail")).to_contain_text("Process")
    assert grave_faults(window) == []


def test_no_grave_fault_in_what_opens(window: Page, fake: FakeService) -> None:
    """What the bar offers, its cheat sheet, the menu of columns, a sorted table."""
    fill(window, fake)
    window.locator("#text-filter").press_sequentially("com")
    expect(window.get_by_role("option").first).to_be_visible()
    assert grave_faults(window) == []
    window.keyboard.press("Escape")
    window.locator("#text-filter").fill("comm=")
    assert grave_faults(window) == []
    window.locator("#text-filter").fill("")
    window.get_by_role("button", name="Columns", exact=True).click()
    expect(window.get_by_role("checkbox").first).to_be_visible()
    assert grave_faults(window) == []
    window.keyboard.press("Escape")
    window.get_by_role("columnheader", name="File").get_by_role("button").click()
    expect(window.locator("[aria-sort=ascending]")).to_have_count(1)
    assert grave_faults(window) == []


def test_no_grave_fault_in_what_is_wrong(page: Page, fake: FakeService) -> None:
    fill(page, fake)
    filter_box(page, "PID").fill(">many")
    fake.next_problem = (403, {"detail": "Only the user who started it may.", "code": "forbidden"})
    page.get_by_role("button", name="Start fentry", exact=True).click()
    expect(page.locator(".notice")).to_be_visible()
    assert grave_faults(page) == []


@pytest.mark.parametrize(
    "opener",
    ["Start fexit with options", "Export", "Keyboard shortcuts"],
    ids=["options", "export", "help"],
)
def test_no_grave_fault_in_a_dialog(window: Page, fake: FakeService, opener: str) -> None:
    if opener.startswith("Start") and window.locator("#cards").is_hidden():
        window.locator("#fold").click()
    window.get_by_role("button", name=opener, exact=True).click()
    dialog = window.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert grave_faults(window) == []
    box = dialog.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= window.evaluate("innerWidth")
    window.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert window.evaluate("document.activeElement.textContent || ''") != ""


def test_axe_sees_a_grave_fault(page: Page) -> None:
    """Without this the tests above could be blind."""
    page.evaluate("document.body.append(document.createElement('button'))")
    assert any("button-name" in fault for fault in grave_faults(page))


def test_keys_of_the_whole_page(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(50))
    expect_counts(page, "50", "50")
    page.keyboard.press("Space")
    expect(page.locator("#pause")).to_have_text("Resume")
    page.keyboard.press("Space")
    expect(page.locator("#pause")).to_have_text("Pause")
    current = page.locator(".row--current")
    page.keyboard.press("g")
    expect(current).to_contain_text("file-0.o")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(current).to_contain_text("file-1.o")
    expect(page.locator("#grid")).to_be_focused()
    page.keyboard.press("G")
    expect(current).to_contain_text("file-49.o")
    page.keyboard.press("e")
    expect(page.get_by_role("dialog", name="Export events")).to_be_visible()
    page.keyboard.press("?")  # a dialog is open: its keys are its own
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#text-filter")).to_be_focused()


def test_typing_and_shortcuts_of_the_browser_are_left_alone(page: Page) -> None:
    text = page.locator("#text-filter")
    text.focus()
    page.keyboard.type("e? /j")
    expect(text).to_have_value("e? /j")
    expect(page.locator("#pause")).to_have_text("Pause")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("#clear").focus()
    for key in ("Control+e", "Alt+e", "Meta+e"):
        page.keyboard.press(key)
    page.keyboard.press("Space")  # presses the button that has the focus
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#pause")).to_have_text("Pause")


def test_the_help_lists_the_keys_and_can_switch_them_off(page: Page) -> None:
    page.keyboard.press("?")
    help_dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    for key, words in (("/", "Focus the filter"), ("Space", "Pause"), ("e", "Export")):
        entry = help_dialog.locator("dl > div").filter(has_text=words)
        expect(entry.locator("kbd").first).to_have_text(key)
    help_dialog.get_by_label("Enable keyboard shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.reload()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    help_dialog.get_by_label("Enable keyboard shortcuts").check()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(help_dialog).to_be_visible()


def expect_theme(page: Page, theme: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(","))) / 3
    assert (brightness < 128) == (theme == "dark")
    # What the browser draws itself: scroll bars, fields.
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme


def test_the_theme_follows_the_system_and_can_be_switched(page: Page) -> None:
    expect_theme(page, "light")
    page.emulate_media(color_scheme="dark")
    expect_theme(page, "dark")
    button = page.get_by_role("button", name="Theme")
    button.click()
    expect(button).to_have_text("Theme: light")
    expect_theme(page, "light")
    page.reload()
    expect(button).to_have_text("Theme: light")
    expect_theme(page, "light")
    page.emulate_media(color_scheme="light")
    button.click()
    expect(button).to_have_text("Theme: dark")
    expect_theme(page, "dark")
    button.click()
    expect(button).to_have_text("Theme: auto")
    expect_theme(page, "light")


def test_a_remembered_theme_is_there_before_the_first_paint(
    open_page: Callable[..., Page], server: Server
) -> None:
    page = open_page(server.url)
    page.evaluate("localStorage.setItem('probedeck.theme', 'dark')")
    page.route("**/static/built/*.js", lambda route: route.abort())
    page.reload()
    expect_theme(page, "dark")  # though none of the page's modules has run
    expect(page.locator("#page-tools")).to_be_empty()


@pytest.mark.parametrize("rubbish", ["", "purple", "[object Object]"])
def test_a_remembered_theme_may_be_rubbish(
    open_page: Callable[..., Page], server: Server, rubbish: str
) -> None:
    page = open_page(server.url)
    page.evaluate("(text) => localStorage.setItem('probedeck.theme', text)", rubbish)
    page.reload()
    expect(page.get_by_role("button", name="Theme")).to_have_text("Theme: auto")


def test_what_comes_is_said_now_and_then(page: Page, fake: FakeService) -> None:
    said = page.locator("#announcer")
    expect(said).to_have_text("Connected")
    fake.start("fexit")
    fake.emit("fexit", plausible(120))
    fake.gap("fexit", "kernel", 3)
    expect(said).to_have_text("120 new events, 3 lost")
    fake.disconnect()
    expect(said).to_have_text("Connection lost")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440, 3840])
def test_pictures(
    open_page: Callable[..., Page], server: Server, results: Path, scheme: str, width: int
) -> None:
    """Pictures to look at, in test-results; nothing may stand out of the window."""
    viewport = {"width": width, "height": max(844, width * 9 // 16)}
    page = open_page(server.url, viewport=viewport, color_scheme=scheme)
    expect_connected(page)
    fill(page, server.fake)
    for name in ("Export", "Keyboard shortcuts"):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        shot = name.split(":")[0].lower()
        page.screenshot(path=results / f"{shot}-{scheme}-{width}.png")
        page.keyboard.press("Escape")
    overflow = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
