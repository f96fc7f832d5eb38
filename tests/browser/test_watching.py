# SPDX-License-Identifier: Apache-2.0
"""What the page says of what is not watched, of what others did, and of what can be taken back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from app.access.tokens import VIEWER, TokenFile
from tests.browser.axe import grave_faults
from tests.browser.console_page import card, expect_connected, expect_counts, filter_box, row, rows
from tests.browser.fake_service import REFUSED, FakeService, Server, plausible

PHONE = {"viewport": {"width": 390, "height": 844}}
DIED = "the tracer was ended by SIGKILL"
NOT_WATCHING = re.compile(r"fexit: not watching from [\d:]+ (on|to [\d:]+)")


def bar(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Filter", exact=True)


def connected(page: Page) -> Page:
    expect_connected(page)
    return page


def expect_not_watching(page: Page, cause: str) -> None:
    expect(page.locator("#connection-text")).to_have_text("Connected")
    banner = page.locator("#incidents").get_by_role("paragraph")
    expect(banner).to_have_text(
        re.compile(r"^fexit is not watching, since [\d:]+: .*" + cause, re.I)
    )
    expect(banner).to_be_in_viewport()
    expect(page).to_have_title("Not watching · Probedeck")
    expect(page.locator("#announcer")).to_contain_text("fexit is not watching")
    expect(row(page, "fexit: not watching from")).to_be_in_viewport()


@pytest.mark.parametrize("window", [{}, PHONE], ids=["wide", "phone"])
def test_a_dead_tracer_is_told_everywhere(
    open_page: Callable[..., Page], server: Server, window: dict[str, Any]
) -> None:
    fake = server.fake
    page = connected(open_page(server.url, **window))
    if not window:
        page.get_by_role("button", name="Hide probes").click()
    expect(page.locator("#connection-text")).to_have_text("Connected")
    fake.start("fexit", {"filter": {"uid": 0}})
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(page).to_have_title("Probedeck")
    fake.emit("fexit", plausible(10))
    expect_counts(page, "10", "10")
    fake.fail("fexit", DIED)
    expect_not_watching(page, "SIGKILL")
    assert grave_faults(page) == []
    page.get_by_role("button", name="Restart fexit").click()
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(page.locator("#incidents")).to_be_empty()
    expect(page).to_have_title("Probedeck")
    expect(row(page, "fexit: not watching")).to_have_text(NOT_WATCHING)
    again = [spec for method, name, spec in fake.calls if (method, name) == ("POST", "fexit")]
    assert [spec["filter"]["uid"] for spec in again] == [0], "as it was"
    fake.emit("fexit", plausible(1, 10))
    expect_counts(page, "11", "11")


def test_a_service_that_was_started_again_watches_nothing(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(10))
    expect_counts(page, "10", "10")
    fake.service = "another"
    fake.probes["fexit"].record.update(state="stopped", started_at=None, ended=None)
    fake.disconnect()
    expect_not_watching(page, "the service was restarted")


def test_a_blind_probe_is_not_live(page: Page, fake: FakeService) -> None:
    record = fake.start("fexit")
    expect(page.locator("#connection-text")).to_have_text("Live")
    record["blind"] = {
        "since": record["started_at"],
        "reason": "ftrace is switched off",
        "hint": "sysctl -w kernel.ftrace_enabled=1",
    }
    fake.tell_state("fexit")
    expect(page.locator("#connection-text")).to_have_text("Connected")
    expect(page.locator("#incidents")).to_contain_text("Ftrace is switched off")
    expect(page.locator("#incidents")).to_contain_text("kernel.ftrace_enabled=1")
    expect(card(page, "fexit").locator(".state")).to_have_text("sees no calls")
    record["blind"] = None
    fake.tell_state("fexit")
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(page.locator("#incidents")).to_be_empty()


def test_a_gap_without_a_program_is_a_row(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    at = "2026-11-22T10:00:0{}.000000Z"
    gap = {"type": "gap", "probe": "fexit", "where": "unwatched", "rows": None}
    fake.send_json({**gap, "from": at.format(1), "to": at.format(4)})
    expect(row(page, "not watching")).to_have_text(
        re.compile(r"fexit: not watching from .*:\d\d:01 to .*:\d\d:04")
    )
    expect(page.locator("#losses")).to_be_hidden()


def test_the_rate_is_that_of_live_events(open_page: Callable[..., Page], server: Server) -> None:
    fake = server.fake
    fake.start("fexit")
    for first in range(0, 60_000, 5000):
        fake.emit("fexit", {**plausible(5000, first), "time": [1_795_341_600 * 10**9] * 5000})
    page = open_page(server.url)
    page.evaluate(
        """() => {
            window.rates = [];
            setInterval(() => window.rates.push(document.getElementById("rates").textContent), 50);
        }"""
    )
    expect_counts(page, "60,000", "60,000")
    expect(page.locator("#rates")).to_have_text("fexit 0/s")
    page.wait_for_function("() => window.rates.length > 40")
    assert set(page.evaluate("window.rates")) <= {"", "no probe attached", "fexit 0/s"}


# For everyone


def test_others_are_told_who_did_it(page: Page, fake: FakeService) -> None:
    fake.start("fexit", who="token lab1")
    news = page.locator("#news")
    expect(news).to_contain_text("token lab1 started fexit for everyone.")
    fake.change_filter("fexit", {"uid": 5}, who="token lab1")
    expect(news).to_contain_text("token lab1 changed the kernel filter of fexit")
    fake.stop("fexit", who="token \x1b[31mlab2")
    expect(news).to_contain_text("lab2 stopped fexit for everyone.")
    assert "\x1b" not in (news.text_content() or "")
    for left in (2, 1, 0):
        news.get_by_role("button", name="Dismiss the message").first.click()
        expect(news.locator(".news")).to_have_count(left)
    expect(news).to_be_empty()


def test_what_one_did_oneself_is_no_news_and_says_for_whom(page: Page, fake: FakeService) -> None:
    page.get_by_role("button", name="Watch deletions").click()
    stop = page.locator("#watch")
    expect(stop).to_have_text("Stop watching for everyone")
    expect(card(page, "fexit").get_by_text("for everyone")).to_be_visible()
    bar(page).fill("uid=0")
    page.get_by_role("button", name="Apply in the kernel for everyone").click()
    expect(page.locator(".chip--kernel")).to_contain_text("in the kernel for everyone")
    page.get_by_role("button", name="Change the filter of fexit for everyone").click()
    expect(page.get_by_role("dialog")).to_contain_text("this changes it for everyone")
    page.keyboard.press("Escape")
    stop.click()
    expect(stop).to_have_text("Watch deletions")
    # Only the offer to take it back.
    expect(page.locator("#news .notice")).to_have_text(re.compile("^Applied in the kernel"))
    page.get_by_role("button", name="Dismiss the message").click()
    expect(page.locator("#news")).to_be_empty()


def test_a_viewer_sees_what_it_is_and_why_buttons_are_off(
    open_page: Callable[..., Page], server: Server, tmp_path: Path
) -> None:
    tokens = TokenFile(tmp_path)
    token = tokens.add("lab1", VIEWER)
    server.fake.take_tokens(tokens)
    server.fake.caller = {"name": "token lab1", "role": "viewer"}
    server.fake.start("fexit", {"filter": {"uid": 0}})
    page = connected(open_page(f"{server.url}/#token={token}"))
    expect(page.locator("#caller")).to_have_text("token lab1 · viewer, read-only")
    note = page.get_by_text("starting and stopping probes needs an operator token")
    expect(note).to_be_in_viewport()
    bar(page).fill("uid=0")
    expect(page.locator(".chip--view")).to_have_count(1)
    for button in (
        page.locator("#watch"),
        card(page, "fexit").get_by_role("button").first,
        page.get_by_role("button", name="Apply in the kernel"),
    ):
        expect(button).to_be_disabled()
        expect(button).to_have_accessible_description(re.compile("read-only"))
    assert grave_faults(page) == []
    with page.expect_navigation():
        page.get_by_role("button", name="Sign out").click()
    assert page.evaluate("Object.keys(sessionStorage)") == []


# History


def test_back_undoes_the_last_filter_sort_and_columns(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(100))
    expect_counts(page, "100", "100")
    bar(page).press_sequentially("comm=rm", delay=50)
    bar(page).press("Enter")
    expect_counts(page, "100", "20")
    bar(page).fill("ret<0")
    expect_counts(page, "100", "14")
    page.wait_for_function("() => location.hash.includes('ret')")
    page.get_by_role("columnheader", name="Latency").get_by_role("button").click()
    expect(page.locator("[aria-sort=ascending]")).to_have_count(1)
    page.get_by_role("button", name="Columns", exact=True).click()
    page.get_by_role("checkbox", name="TID").uncheck()
    page.keyboard.press("Escape")
    page.wait_for_function("() => location.hash.includes('columns')")
    tid = page.get_by_role("columnheader", name="TID")
    expect(tid).to_have_count(0)
    page.go_back()
    expect(tid).to_be_visible()
    page.go_back()
    expect(page.locator("[aria-sort=ascending]")).to_have_count(0)
    expect(bar(page)).to_have_value("ret<0")
    page.go_back()
    expect(bar(page)).to_have_value("comm=rm")
    expect_counts(page, "100", "20")
    page.go_back()
    expect(bar(page)).to_have_value("")
    expect_counts(page, "100", "100")
    page.go_forward()
    expect(bar(page)).to_have_value("comm=rm")
    filter_box(page, "Result").fill("<0")
    expect(bar(page)).to_have_value("comm=rm and ret<0")
    page.wait_for_function("() => location.hash.includes('ret')")
    page.go_back()
    expect(bar(page)).to_have_value("comm=rm")
    expect(page.locator("#count-held")).to_have_text("100")  # it is the same page


def test_clear_is_taken_back(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(30))
    fake.gap("fexit", "kernel", 3)
    expect_counts(page, "30", "30")
    page.get_by_role("button", name="Clear", exact=True).click()
    expect_counts(page, "0", "0")
    expect(page.locator("#empty")).to_contain_text("30 events cleared")
    expect(page.locator("#empty")).not_to_contain_text("No events yet")
    fake.emit("fexit", {"filename": [b"/since/then"]})
    expect_counts(page, "1", "1")
    page.locator("#news").get_by_role("button", name="Undo").click()
    expect_counts(page, "31", "31")
    expect(page.locator("#losses-total")).to_have_text("3 lost")
    assert rows(page)[-1]["File"] == "/since/then"
    expect(page.locator("#news")).not_to_contain_text("cleared")


def test_what_a_reload_loses_is_said_before(open_page: Callable[..., Page], server: Server) -> None:
    fake = server.fake
    fake.recent_bytes = 100_000
    page = connected(open_page(server.url))
    fake.start("fexit")
    fake.emit("fexit", plausible(500))
    expect_counts(page, "500", "500")
    expect(page.locator("#count-held")).to_have_text("500")
    ask = "() => !dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    assert page.evaluate(ask) is False
    for first in range(500, 5000, 500):
        fake.emit("fexit", plausible(500, first))
    expect(page.locator("#count-held")).to_have_text(
        re.compile(r"^5,000, \d,\d00 in this tab only: a reload loses them$")
    )
    assert page.evaluate(ask) is True


# Room


def test_modes_that_are_not_available_are_folded(
    open_page: Callable[..., Page], server: Server
) -> None:
    fake = server.fake
    for name in ("fentry", "fexit", "kprobe", "kretprobe"):
        fake.probes[name].record.update(available=False, **REFUSED)
    page = connected(open_page(server.url, viewport={"width": 1280, "height": 720}))
    fake.start("tracepoint")
    fake.emit("tracepoint", plausible(300))
    expect_counts(page, "300", "300")
    expect(card(page, "fexit")).to_be_hidden()
    latency = page.get_by_role("columnheader", name="Latency")
    expect(latency).to_be_in_viewport(ratio=1)
    in_sight = page.evaluate(
        """() => {
            const { bottom } = document.getElementById("grid").getBoundingClientRect();
            const { bottom: top } = document.querySelector(".table__head").getBoundingClientRect();
            return Math.floor((bottom - top) / 28);
        }"""
    )
    assert in_sight >= 10
    why = page.get_by_role("button", name="4 unavailable modes")
    why.click()
    expect(card(page, "fexit")).to_contain_text(REFUSED["reason"])
    expect(card(page, "fexit")).to_be_visible()
    assert grave_faults(page) == []
    page.get_by_role("button", name="Hide probes").click()
    page.reload()
    expect(page.get_by_role("button", name="Show probes")).to_be_visible()
    expect(page.locator("#cards")).to_be_hidden()


def test_panes_are_resized_by_mouse_and_keys_and_remembered(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(10))
    page.get_by_role("button", name="Summary", exact=True).click()
    summary = page.locator("#summary")
    expect(summary).to_be_visible()

    def width() -> float:
        box = summary.bounding_box()
        assert box
        return box["width"]

    line = page.get_by_role("separator", name="Summary panel width")
    box = line.bounding_box()
    assert box
    before = width()
    page.mouse.move(box["x"] + 4, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] - 96, box["y"] + 100, steps=4)
    page.mouse.up()
    page.wait_for_function(
        "(least) => document.getElementById('summary').offsetWidth > least", arg=before + 90
    )
    wide = width()
    line.press("ArrowRight")
    assert width() == wide - 16
    expect(line).to_have_attribute("aria-valuenow", str(round(wide - 16)))
    page.reload()
    expect(summary).to_be_visible()
    assert width() == wide - 16
    line.press("Enter")
    assert width() == before
    cards = page.get_by_role("separator", name="Probes panel height")
    cards.press("Home")
    expect(cards).to_have_attribute("aria-valuenow", "48")
    assert grave_faults(page) == []


@pytest.mark.parametrize("size", [(640, 360), (390, 844), (1280, 720)])
def test_every_window_shows_rows(
    open_page: Callable[..., Page], server: Server, size: tuple[int, int]
) -> None:
    page = connected(open_page(server.url, viewport={"width": size[0], "height": size[1]}))
    server.fake.start("fexit")
    server.fake.emit("fexit", {"filename": [b"/the/only"]})
    expect(row(page, "/the/only")).to_be_in_viewport()
    page.get_by_role("button", name="Summary", exact=True).click()
    expect(page.locator(".summary__title")).to_be_in_viewport()
    assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0


# Words


def test_the_losses_say_when_why_and_what_helps_and_are_closed(
    page: Page, fake: FakeService
) -> None:
    fake.start("fexit")["drops"] = {"ring_full": 12}
    fake.emit("fexit", plausible(3))
    fake.gap("fexit", "kernel", 12)
    fake.tell_state("fexit")
    losses = page.locator("#losses")
    expect(losses).to_contain_text("12 lost")
    expect(losses).to_contain_text("--ring-mib")
    expect(page.locator("#losses-when")).to_have_text(re.compile(r"^last seen at \d\d:\d\d:\d\d$"))
    losses.get_by_role("button", name="Dismiss lost events").click()
    expect(losses).to_be_hidden()
    fake.emit("fexit", plausible(3, 3))
    expect_counts(page, "6", "6")
    expect(losses).to_be_hidden()
    fake.gap("fexit", "client", 1)
    expect(losses).to_contain_text("13 lost")
    expect(losses).to_contain_text("--client-queue-mib")


def test_a_check_of_the_kernel_says_what_it_found(page: Page, fake: FakeService) -> None:
    check = page.get_by_role("button", name="Re-check kernel support")
    check.click()
    news = page.locator("#news")
    expect(news).to_contain_text(
        "Available: fentry, fexit, kprobe, kretprobe, tracepoint; no change."
    )
    fake.probes["fentry"].record.update(available=False, **REFUSED)
    check.click()
    expect(news).to_contain_text("not available: fentry; changed: fentry.")
    expect(news.locator(".news")).to_have_count(1)


def test_the_current_row_is_copied_by_key(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.url, permissions=["clipboard-read", "clipboard-write"])
    server.fake.start("fexit")
    server.fake.emit("fexit", {"filename": [b"/a/one", b"/a/two"], "comm": [b"rm", b"mv"]})
    expect_counts(page, "2", "2")
    page.locator("#grid").press("Home")
    page.keyboard.press("Control+c")
    expect(page.locator("#announcer")).to_have_text("Row copied")
    copied = page.evaluate("navigator.clipboard.readText()").split("\t")
    titles = page.get_by_role("columnheader").all_text_contents()
    assert len(copied) == len(titles)
    assert copied[titles.index("File")] == "/a/one"
    # What is selected comes first.
    page.locator(".brand").evaluate("(brand) => getSelection().selectAllChildren(brand)")
    page.keyboard.press("Control+c")
    assert page.evaluate("navigator.clipboard.readText()").strip() == "Probedeck"
