# SPDX-License-Identifier: Apache-2.0
"""A table that follows the newest row goes on following, whatever changes what is in sight."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.console_page import expect_counts
from tests.browser.fake_service import FakeService, plausible

ROWS_PER_SECOND = 200
BATCH_ROWS = 20
STEPS = 24
FILTERS = ("comm=rm", "ret<0", "pid=4001..4020", "stage-3", "no such file", "pid=", "comm=rm uid=0")
WINDOWS = ((1440, 900), (1280, 720), (1000, 560), (900, 1200), (640, 360), (390, 844))
# Where the table is, and where its end would be: asked in one moment.
AT_THE_END = """() => {
    const grid = document.getElementById("grid");
    return document.getElementById("newest").hidden
        && grid.scrollTop >= grid.scrollHeight - grid.clientHeight - 2;
}"""

PLACE = """() => {
    const { scrollTop, scrollHeight, clientHeight } = document.getElementById("grid");
    return [scrollTop, scrollHeight, clientHeight, document.getElementById("newest").textContent];
}"""


def expect_following(page: Page, done: list[str]) -> None:
    try:
        page.wait_for_function(AT_THE_END)
    except PlaywrightTimeout:
        pytest.fail(f"it does not follow after {done}: {page.evaluate(PLACE)}")


@pytest.fixture
def streaming(page: Page, fake: FakeService) -> Iterator[Page]:
    """A page to which 200 rows a second come, until the end of the test."""
    fake.start("fexit")
    fake.emit("fexit", plausible(300))
    expect_counts(page, "300", "300")
    ended = threading.Event()

    def stream() -> None:
        sent = 300
        while not ended.wait(BATCH_ROWS / ROWS_PER_SECOND):
            fake.emit("fexit", plausible(BATCH_ROWS, sent))
            sent += BATCH_ROWS

    thread = threading.Thread(target=stream)
    thread.start()
    yield page
    ended.set()
    thread.join()


def click_if_there(page: Page, selector: str) -> None:
    """By the page itself: what is asked for may lie outside a small window."""
    page.evaluate("(selector) => document.querySelector(selector)?.click()", selector)


def actions(page: Page, fake: FakeService, chosen: random.Random) -> dict[str, Callable[[], None]]:
    bar = page.locator("#text-filter")

    def resize() -> None:
        width, height = chosen.choice(WINDOWS)
        page.set_viewport_size({"width": width, "height": height})

    def zoom() -> None:
        page.evaluate("(zoom) => { document.body.style.zoom = zoom; }", chosen.choice((1, 1.25)))

    def refuse() -> None:
        fake.next_problem = (403, {"detail": "Not now.", "code": "forbidden"})
        click_if_there(page, "[aria-label='Start fentry']")

    def move_into_the_kernel() -> None:
        bar.fill("uid=0 stage")
        click_if_there(page, "#filter-line > .button:not([hidden])")

    def turn_detail() -> None:
        """What is open is closed; else the newest row's fields are shown."""
        close = "#detail:not([hidden]) [aria-label=Close]"
        click_if_there(page, close if page.locator("#detail").is_visible() else ".row__open")

    return {
        "filter": lambda: bar.fill(chosen.choice(FILTERS)),
        "empty the filter": lambda: bar.fill(""),
        "remove a chip": lambda: click_if_there(page, ".chip__remove"),
        "move into the kernel": move_into_the_kernel,
        "turn probes": lambda: click_if_there(page, "#fold"),
        "turn summary": lambda: click_if_there(page, "[aria-controls=summary]"),
        "turn detail": turn_detail,
        "resize": resize,
        "zoom": zoom,
        "a notice": refuse,
        "close a notice": lambda: click_if_there(page, ".notice__close"),
        "losses": lambda: fake.gap("fexit", "kernel", 3),
        "another probe": lambda: fake.start("tracepoint") and None,
        "the other ends": lambda: fake.stop("tracepoint") and None,
        "clear": lambda: page.evaluate("document.getElementById('clear').click()"),
        "wheel down": lambda: page.mouse.wheel(0, 300),
    }


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_table_that_follows_goes_on_following(
    streaming: Page, fake: FakeService, seed: int
) -> None:
    page, chosen = streaming, random.Random(seed)
    possible = actions(page, fake, chosen)
    done = []
    for _ in range(STEPS):
        name = chosen.choice(list(possible))
        done.append(name)
        possible[name]()
        # Two frames: one that lays out what was changed, one that tells of the scrolling.
        page.evaluate(
            "() => new Promise((end) => requestAnimationFrame(() => requestAnimationFrame(end)))"
        )
        expect_following(page, done)


@pytest.mark.parametrize("how", ["wheel", "key", "detail"])
def test_a_person_who_goes_up_stays_there(streaming: Page, how: str) -> None:
    page = streaming
    if how == "wheel":
        page.locator("#grid").hover()
        page.mouse.wheel(0, -300)
    elif how == "key":
        page.locator("#grid").press("PageUp")
    else:
        page.locator("#grid").press("End")
        page.locator("#grid").press("Enter")
        page.locator("#detail").get_by_role("button", name="Previous row").click()
    expect(page.locator("#newest")).to_contain_text("new event")
    page.locator("#newest").click()
    page.wait_for_function(AT_THE_END)
