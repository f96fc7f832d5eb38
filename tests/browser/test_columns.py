# SPDX-License-Identifier: Apache-2.0
"""Columns, sorting, a row's detail and a million rows: the page against the fake service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.console_page import (
    expect_connected,
    expect_counts,
    filter_box,
    gaps_among_rows,
    row,
    rows,
)
from tests.browser.fake_service import FakeService, Server, plausible
from tests.support.waiting import wait_until

CAPACITY = 1_000_000
BATCH_ROWS = 20_000
SHORT_ELEMENTS = """{
    const measured = Element.prototype.getBoundingClientRect;
    Element.prototype.getBoundingClientRect = function () {
        return this.className === "probe-height" ? { height: 6_000_000 } : measured.call(this);
    };
}"""
TOP_FILE = """() => {
    const grid = document.getElementById("grid").getBoundingClientRect();
    const head = document.querySelector(".table__head").offsetHeight;
    return document.elementFromPoint(grid.left + 700, grid.top + head + 20)
        .closest(".row").querySelector(".name").textContent;
}"""


def title(page: Page, name: str) -> Locator:
    return page.get_by_role("columnheader", name=name, exact=True)


def button(page: Page, name: str) -> Locator:
    return title(page, name).get_by_role("button")


def titles(page: Page) -> list[str]:
    return page.get_by_role("columnheader").all_text_contents()


def width(page: Page, name: str) -> float:
    box = title(page, name).bounding_box()
    assert box
    return box["width"]


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for `condition`: the effect of a key or click is rendered in a later frame."""
    wait_until(condition, what, patience_s=30)


def files(page: Page) -> list[str]:
    return [it["File"].rpartition("/")[2] for it in rows(page)]


def emit_million(page: Page, fake: FakeService) -> None:
    for first in range(0, CAPACITY, BATCH_ROWS):
        fake.emit("fexit", plausible(BATCH_ROWS, first))
    expect(page.locator("#count-shown")).to_have_text(f"{CAPACITY:,}", timeout=240_000)


def press_until(page: Page, key: str, text: str) -> None:
    """Press the key until the current row contains `text`: new rows are sorted with a delay."""
    current = page.locator(".row--current")

    def leads_there() -> bool:
        page.keyboard.press(key)
        page.evaluate("new Promise(requestAnimationFrame)")  # the press is rendered in a frame
        return current.count() == 1 and text in (current.text_content() or "")

    until(leads_there, f"{key} to lead to {text}")


@pytest.fixture
def shown(page: Page, fake: FakeService) -> Page:
    """A page with a hundred events."""
    fake.start("fexit")
    fake.emit("fexit", plausible(100))
    expect_counts(page, "100", "100")
    return page


# Columns


def test_users_have_their_names(shown: Page, fake: FakeService) -> None:
    fake.emit("fexit", {"uid": [1000, 4711], "filename": [b"/of/alice", b"/of/nobody"]})
    cell = row(shown, "/of/alice").get_by_text("alice", exact=True)
    expect(cell).to_be_visible()
    cell.hover()
    expect(cell).to_have_attribute("title", "1000 alice")
    assert [it["User"] for it in rows(shown)][-2:] == ["alice", "4711"]
    filter_box(shown, "User").fill("alice")
    expect(shown.locator("#count-shown")).to_have_text("35")
    expect(shown.locator("#filter-fault")).to_be_hidden()


def test_columns_are_hidden_and_shown_and_the_address_tells(
    shown: Page, open_page: Callable[..., Page]
) -> None:
    assert "Error" not in titles(shown)
    shown.get_by_role("button", name="Columns", exact=True).click()
    menu = shown.get_by_role("dialog", name="Columns")
    menu.get_by_role("checkbox", name="TID").uncheck()
    menu.get_by_role("checkbox", name="Error").check()
    expect(title(shown, "Error")).to_be_visible()
    expect(title(shown, "TID")).to_have_count(0)
    shown.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    now = titles(shown)
    expect(shown).to_have_url(
        re.compile("#columns=time,probe,pid,uid,process,dfd,filename,ret,errno,latency_ns$")
    )
    shown.reload()
    expect(title(shown, "Error")).to_be_visible()
    until(lambda: titles(shown) == now, "the columns as they were")
    address = shown.url
    shown.goto("about:blank")
    shown.goto(address.partition("#")[0])
    expect(shown).to_have_url(address)
    until(lambda: titles(shown) == now, "the columns as they were")
    colleague = open_page(shown.url)  # in a profile of its own
    expect(title(colleague, "Error")).to_be_visible()
    until(lambda: titles(colleague) == now, "the same columns")
    shown.get_by_role("button", name="Columns", exact=True).click()
    menu.get_by_role("button", name="Reset").click()
    expect(title(shown, "TID")).to_be_visible()
    expect(shown).to_have_url(re.compile("/$"))


def test_one_column_stays_and_the_menu_works_by_keyboard(shown: Page) -> None:
    shown.get_by_role("button", name="Columns", exact=True).focus()
    shown.keyboard.press("Enter")
    menu = shown.get_by_role("dialog", name="Columns")
    expect(menu).to_be_visible()
    down = menu.get_by_role("button", name="Move Time down")
    down.focus()
    shown.keyboard.press("Enter")
    expect(down).to_be_focused()
    until(lambda: titles(shown)[:2] == ["Probe", "Time"], "the column to move")
    for box in menu.get_by_role("checkbox", checked=True).all()[::-1][:-1]:
        box.focus()
    names = menu.get_by_role("checkbox", checked=True).evaluate_all(
        "(boxes) => boxes.map((box) => box.dataset.control)"
    )
    for name in names[1:]:
        menu.locator(f'[data-control="{name}"]').focus()
        shown.keyboard.press("Space")
    expect(menu.get_by_role("checkbox", checked=True)).to_be_disabled()
    until(lambda: titles(shown) == ["Probe"], "one column")


def test_a_columns_edge_is_dragged_and_the_width_remembered(shown: Page) -> None:
    before = width(shown, "Process")
    edge = title(shown, "Process").locator(".heading__edge").bounding_box()
    assert edge
    x, y = edge["x"] + edge["width"] / 2, edge["y"] + 10
    shown.mouse.move(x, y)
    shown.mouse.down()
    shown.mouse.move(x + 30, y)
    shown.mouse.move(x + 60, y)
    shown.mouse.up()
    expect(title(shown, "Process")).to_have_attribute("aria-sort", "none")
    until(lambda: abs(width(shown, "Process") - before - 60) <= 1, "60 px more")
    shown.reload()
    expect(title(shown, "Process")).to_be_visible()
    until(lambda: abs(width(shown, "Process") - before - 60) <= 1, "60 px more")
    shown.mouse.dblclick(x + 60, y)
    # As wide as "systemd-tmpfile" and its padding, and no more.
    fitted = row(shown, "systemd-tmpfile").first.locator(".cell").nth(5)
    until(lambda: width(shown, "Process") < before + 20, "the width to fit")
    assert fitted.evaluate("(cell) => cell.scrollWidth <= cell.clientWidth")


def test_titles_are_worked_by_keyboard(shown: Page) -> None:
    process = button(shown, "Process")
    before = width(shown, "Process")
    button(shown, "Time").focus()
    for _ in range(20):
        if process.evaluate("(button) => button === document.activeElement"):
            break
        shown.keyboard.press("ArrowRight")
    expect(process).to_be_focused()
    shown.keyboard.press("Alt+ArrowRight")
    until(lambda: width(shown, "Process") == before + 16, "one step more")
    shown.keyboard.press("Alt+ArrowLeft")
    until(lambda: width(shown, "Process") == before, "the width before")
    at = titles(shown).index("Process")
    shown.keyboard.press("Alt+Shift+ArrowLeft")
    until(lambda: titles(shown).index("Process") == at - 1, "the column to move")
    expect(process).to_be_focused()
    shown.keyboard.press("Alt+Enter")
    until(lambda: width(shown, "Process") != before, "the width to fit")
    expect(process).to_be_focused()
    shown.keyboard.press("Enter")
    expect(title(shown, "Process")).to_have_attribute("aria-sort", "ascending")
    # One title is a stop of the Tab key.
    assert shown.locator(".heading__title[tabindex='0']").count() == 1


def test_a_title_is_dragged_to_another_place(shown: Page) -> None:
    button(shown, "File").drag_to(button(shown, "PID"))
    until(
        lambda: titles(shown).index("File") + 1 == titles(shown).index("PID"), "the column to move"
    )
    expect(title(shown, "File")).to_have_attribute("aria-sort", "none")
    assert rows(shown)[0]["File"].startswith("/var/tmp/")
    expect(shown).to_have_url(re.compile("columns=time,probe,filename,pid"))


def test_columns_of_a_new_probe_appear_by_themselves(shown: Page, fake: FakeService) -> None:
    button(shown, "File").drag_to(button(shown, "PID"))
    fake.start("tracepoint")
    expect(title(shown, "Call")).to_be_visible()
    assert titles(shown).index("Call") == titles(shown).index("Process") + 1


# Sorting


def test_a_click_sorts_up_then_down_then_as_they_came(shown: Page, fake: FakeService) -> None:
    came = files(shown)
    latency = [800 + (n * 7919) % 90_000 for n in range(100)]
    by_latency = sorted(range(100), key=lambda n: latency[n])
    button(shown, "Latency").click()
    expect(title(shown, "Latency")).to_have_attribute("aria-sort", "ascending")
    expect(shown.locator("#newest")).to_have_text("Sorted by Latency")
    assert files(shown)[:10] == [f"file-{n}.o" for n in by_latency[:10]]
    expect(shown).to_have_url(re.compile("#sort=latency_ns$"))
    button(shown, "Latency").click()
    expect(title(shown, "Latency")).to_have_attribute("aria-sort", "descending")
    expect(row(shown, f"file-{by_latency[-1]}.o")).to_be_visible()
    assert files(shown)[:10] == [f"file-{n}.o" for n in by_latency[:-11:-1]]
    expect(shown).to_have_url(re.compile("#sort=-latency_ns$"))
    button(shown, "Latency").click()
    expect(title(shown, "Latency")).to_have_attribute("aria-sort", "none")
    expect(shown.locator("#newest")).to_be_hidden()
    assert files(shown) == came
    expect(shown).to_have_url(re.compile("/$"))


def test_sorted_rows_stay_right_while_others_come(shown: Page, fake: FakeService) -> None:
    fake.gap("fexit", "kernel", 3)
    expect(shown.locator(".row--gap:visible")).to_have_count(1)
    button(shown, "Latency").click()
    button(shown, "Latency").click()
    expect(title(shown, "Latency")).to_have_attribute("aria-sort", "descending")
    slowest = max(range(100), key=lambda n: (n * 7919) % 90_000)
    expect(row(shown, f"file-{slowest}.o")).to_be_in_viewport()
    assert not any(gaps_among_rows(shown)), "a gap is a place in arrival order"
    fake.emit("fexit", {"latency_ns": [10**9, 1], "filename": [b"/the/slowest", b"/the/fastest"]})
    expect(row(shown, "/the/slowest")).to_be_in_viewport()
    expect(shown.locator("#newest")).to_have_text("2 new events · sorted by Latency")
    assert rows(shown)[0]["File"] == "/the/slowest"
    shown.locator("#grid").focus()
    shown.keyboard.press("End")
    expect(shown.locator(".row--current")).to_contain_text("/the/fastest")
    shown.locator("#newest").click()
    expect(title(shown, "Latency")).to_have_attribute("aria-sort", "none")
    expect(shown.locator("#newest")).to_be_hidden()
    assert rows(shown)[-1]["File"] == "/the/fastest"


def test_a_sorted_table_pauses_filters_and_clears(shown: Page, fake: FakeService) -> None:
    button(shown, "Latency").click()
    expect(shown.locator("#newest")).to_have_text("Sorted by Latency")
    shown.get_by_role("button", name="Pause", exact=True).click()
    fake.emit("fexit", {"latency_ns": [1], "filename": [b"/the/fastest"]})
    expect(shown.locator("#newest")).to_have_text("Paused · 1 new event · sorted by Latency")
    expect(row(shown, "/the/fastest")).to_have_count(0)
    shown.get_by_role("button", name="Resume").click()
    expect(row(shown, "/the/fastest")).to_be_in_viewport()
    filter_box(shown, "Process").fill("git")
    expect(shown.locator("#count-shown")).to_have_text("20")
    expect(row(shown, "/the/fastest")).to_have_count(0)
    expected = sorted((n for n in range(100) if n % 5 == 3), key=lambda n: (n * 7919) % 90_000)
    assert files(shown) == [f"file-{n}.o" for n in expected]
    shown.get_by_role("button", name="Clear", exact=True).click()
    expect(shown.locator("#count-shown")).to_have_text("0")
    fake.emit("fexit", {"comm": [b"git"] * 2, "latency_ns": [5, 4]})
    expect_counts(shown, "2", "2")
    expect(row(shown, "4 ns")).to_be_visible()
    assert [it["Latency"] for it in rows(shown)] == ["4 ns", "5 ns"]


def test_the_order_comes_with_the_address(
    shown: Page, server: Server, open_page: Callable[..., Page]
) -> None:
    other = open_page(f"{server.url}/#sort=-filename&columns=filename,nonsense,pid")
    expect(title(other, "File")).to_have_attribute("aria-sort", "descending")
    expect_counts(other, "100", "100")
    expect(row(other, "file-98.o")).to_be_visible()
    assert titles(other) == ["File", "PID"]
    everything = [f"/var/tmp/build/stage-{n % 9}/file-{n}.o" for n in range(100)]
    assert [it["File"] for it in rows(other)][:10] == sorted(everything)[::-1][:10]
    other.evaluate("location.hash = 'sort=pid'")
    expect(title(other, "PID")).to_have_attribute("aria-sort", "ascending")
    assert "Time" in titles(other)


@pytest.mark.parametrize("rubbish", ["{", '{"order": 7, "widths": [["pid", "x"]]}', "null"])
def test_rubbish_in_the_storage_and_address_is_survived(
    server: Server, open_page: Callable[..., Page], rubbish: str
) -> None:
    page = open_page(server.url)
    page.evaluate("(text) => localStorage.setItem('probedeck.columns', text)", rubbish)
    page.goto(f"{server.url}/#sort=-&columns=,,,&sort=%00&%zz=1")
    page.reload()
    server.fake.start("fexit")
    server.fake.emit("fexit", plausible(3))
    expect_counts(page, "3", "3")
    assert titles(page)[0] == "Time"


# Detail

EVENT = {
    "time": [1_795_341_600_123_456_789],
    "pid": [4711],
    "uid": [1000],
    "process": [b"pro\x1bcess"],
    "comm": [b"r\x1bm"],
    "filename": [b"/a/" + b"long/" * 100 + b"\xe2\x80\xaename"],
    "ret": [-13],
    "errno": [b"EACCES"],
    "latency_ns": [1_234_567],
}


def open_detail(page: Page, fake: FakeService) -> Locator:
    fake.emit("fexit", EVENT)
    row(page, "4711").first.click()
    page.locator("#grid").focus()
    page.keyboard.press("Enter")
    detail = page.get_by_role("complementary", name="Event")
    expect(detail).to_be_visible()
    return detail


def test_the_detail_shows_every_field_in_full(shown: Page, fake: FakeService) -> None:
    detail = open_detail(shown, fake)
    expect(detail.get_by_role("heading", name="Event")).to_be_focused()
    expect(detail).to_contain_text("Seen by fexit at do_unlinkat")
    for field, texts in {
        "time": ["2026-11-22T10:00:00.123456789Z in UTC", ".123456789"],
        "pid": ["4711"],
        "uid": ["1000", "alice"],
        "process": ["pro\\ecess"],
        "comm": ["r\\em"],
        "filename": ["/a/" + "long/" * 100 + "U+202Ename"],
        "ret": ["\N{MINUS SIGN}13", "EACCES: Permission denied"],
        "errno": ["EACCES"],
        "latency_ns": ["1,234,567 ns", "1.23 ms"],
        "dfd": ["-100", "AT_FDCWD: the current directory"],
    }.items():
        shown_field = detail.locator(".detail__field").filter(
            has=shown.locator("code").get_by_text(field, exact=True)
        )
        for text in texts:
            expect(shown_field).to_contain_text(text)
    overflow = detail.evaluate("(aside) => aside.scrollWidth - aside.clientWidth")
    assert overflow <= 0, "long names are wrapped"


def test_the_detail_is_left_by_escape_and_moved_by_arrows(shown: Page, fake: FakeService) -> None:
    detail = open_detail(shown, fake)
    file = detail.locator(".detail__field").filter(has_text="filename")
    shown.keyboard.press("ArrowUp")
    expect(file).to_contain_text("file-99.o")
    expect(shown.locator(".row--current")).to_contain_text("file-99.o")
    shown.keyboard.press("k")
    expect(file).to_contain_text("file-98.o")
    detail.get_by_role("button", name="Next row").click()
    expect(file).to_contain_text("file-99.o")
    shown.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    expect(shown.locator("#grid")).to_be_focused()
    shown.keyboard.press("k")
    expect(shown.locator(".row--current")).to_contain_text("file-98.o")
    shown.keyboard.press("j")
    expect(shown.locator(".row--current")).to_contain_text("file-99.o")
    row(shown, "file-97.o").dblclick()
    expect(file).to_contain_text("file-97.o")
    row(shown, "file-96.o").click()
    expect(file).to_contain_text("file-96.o")
    shown.locator("#grid").focus()
    shown.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    row(shown, "file-95.o").hover()
    row(shown, "file-95.o").get_by_role("button", name="Show all fields").click()
    expect(file).to_contain_text("file-95.o")


def test_the_detail_stays_while_events_stream_and_says_when_its_event_is_gone(
    page: Page, fake: FakeService
) -> None:
    fake.start("fexit")
    detail = open_detail(page, fake)
    fake.emit("fexit", plausible(1000))
    expect(page.locator("#count-received")).to_have_text("1,001")
    expect(detail).to_contain_text("r\\em")
    expect(detail.locator(".detail__note")).to_be_hidden()
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(detail.locator(".detail__note")).to_contain_text("This event is no longer in the table")
    expect(detail).to_contain_text("r\\em")


def test_an_event_is_copied_as_json(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.url, permissions=["clipboard-read", "clipboard-write"])
    expect_connected(page)
    server.fake.start("fexit")
    detail = open_detail(page, server.fake)
    detail.get_by_role("button", name="Copy as JSON").click()
    expect(detail.get_by_text("Copied", exact=True)).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.isascii()
    event = json.loads(copied)
    assert event["filename"] == "/a/" + "long/" * 100 + "\u202ename"
    assert event["comm"] == "r\x1bm"
    assert (event["time"], event["probe"]) == ("2026-11-22T10:00:00.123456789Z", "fexit")
    assert (event["ret"], event["errno"], event["latency_ns"]) == (-13, "EACCES", 1_234_567)


def test_the_detail_narrows_the_filter(shown: Page, fake: FakeService) -> None:
    fake.emit("fexit", {"filename": [b"/one/of/its/kind"]})
    row(shown, "/one/of/its/kind").dblclick()
    detail = shown.get_by_role("complementary", name="Event")
    for name in ("This process", "This file", "Failures only", "Only this", "Exclude this"):
        expect(detail.locator("button", has_text=re.compile(f"^{name}$")).first).to_be_visible()
    detail.get_by_role("button", name="This file").click()
    expect(shown.locator("#count-shown")).to_have_text("1")


# A million rows


def test_a_million_rows(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    emit_million(page, fake)
    grid = page.locator("#grid")
    expect(grid).to_have_attribute("aria-rowcount", f"{CAPACITY + 2}")
    # All of them are reached, first and last, by keys and by the scroll bar.
    grid.focus()
    page.keyboard.press("Home")
    expect(page.locator(".row--current")).to_contain_text("/file-0.o")
    expect(page.locator(".row--current")).to_be_in_viewport()
    page.keyboard.press("End")
    expect(page.locator(".row--current")).to_contain_text("/file-999999.o")
    expect(page.locator(".row--current")).to_be_in_viewport()
    grid.evaluate("(grid) => { grid.scrollTop = 0; }")
    expect(row(page, "/file-0.o")).to_be_in_viewport()
    grid.evaluate("(grid) => { grid.scrollTop = 1e9; }")
    expect(row(page, "/file-999999.o")).to_be_in_viewport()
    # Filtered and sorted.
    filter_box(page, "File").fill("/file-77")
    expected = sum(str(n).startswith("77") for n in range(CAPACITY))
    expect(page.locator("#count-shown")).to_have_text(f"{expected:,}")
    filter_box(page, "File").fill("")
    expect(page.locator("#count-shown")).to_have_text(f"{CAPACITY:,}")
    button(page, "File").click()
    expect(page.locator("#newest")).to_have_text("Sorted by File", timeout=120_000)
    everything = sorted(f"/var/tmp/build/stage-{n % 9}/file-{n}.o" for n in range(CAPACITY))
    expect(row(page, everything[0])).to_be_in_viewport()
    assert [it["File"] for it in rows(page)][:20] == everything[:20]
    grid.focus()
    page.keyboard.press("End")
    expect(page.locator(".row--current")).to_contain_text(everything[-1].rpartition("/")[2])
    # The oldest leave when others come, also where they stand sorted.
    fake.emit("fexit", {**plausible(BATCH_ROWS), "filename": [b"/zzz"] * BATCH_ROWS})
    expect(page.locator("#count-held")).to_have_text("1,000,000, 20,000 evicted")
    press_until(page, "End", "/zzz")
    remaining = (it for it in everything if int(re.sub(r".*-|\.o", "", it)) >= BATCH_ROWS)
    press_until(page, "Home", next(remaining).rpartition("/")[2])


def test_scrolled_up_the_rows_stay_while_older_ones_are_let_go(
    page: Page, fake: FakeService
) -> None:
    fake.start("fexit")
    emit_million(page, fake)
    page.locator("#grid").hover()
    page.mouse.wheel(0, -20_000)
    expect(page.locator("#newest")).to_be_visible()
    expect(row(page, "/file-999999.o")).to_have_count(0)
    before = page.evaluate(TOP_FILE)
    fake.emit("fexit", plausible(5_000, CAPACITY))
    expect(page.locator("#newest")).to_have_text("5,000 new events")
    expect(page.locator("#count-held")).to_have_text("1,000,000, 5,000 evicted")
    assert page.evaluate(TOP_FILE) == before


def test_a_table_taller_than_an_element_can_be_is_scrolled_to_all_of_its_rows(
    server: Server, open_page: Callable[..., Page]
) -> None:
    """As in Firefox, or zoomed: here the browser is made to say that it cuts elements."""
    page = open_page(server.url, viewport={"width": 1000, "height": 700})
    page.add_init_script(SHORT_ELEMENTS)
    page.reload()
    expect_connected(page)
    server.fake.start("fexit")
    count = 400_000
    for first in range(0, count, BATCH_ROWS):
        server.fake.emit("fexit", plausible(BATCH_ROWS, first))
    expect(page.locator("#count-shown")).to_have_text(f"{count:,}", timeout=120_000)
    height = page.locator(".table__body").evaluate("(body) => body.offsetHeight")
    assert 5_000_000 < height < 6_000_000 < count * 28
    expect(row(page, f"/file-{count - 1}.o")).to_be_in_viewport()
    grid = page.locator("#grid")
    grid.evaluate("(grid) => { grid.scrollTop = grid.scrollHeight / 2; }")
    expect(row(page, f"/file-{count - 1}.o")).to_have_count(0)
    middle = int(re.sub(r"\D", "", files(page)[0]))
    assert abs(middle - count / 2) < count / 100
    # The wheel moves by rows, not by thousands of them.
    before = files(page)
    grid.hover()
    page.mouse.wheel(0, 28 * 4)
    expect(row(page, before[0])).to_have_count(0)
    assert before[5] in files(page)
    grid.focus()
    page.keyboard.press("Home")
    expect(row(page, "/file-0.o")).to_be_in_viewport()
    page.keyboard.press("End")
    expect(row(page, f"/file-{count - 1}.o")).to_be_in_viewport()


@pytest.mark.parametrize("scheme, width_px", [("light", 1440), ("dark", 1440), ("dark", 390)])
def test_what_it_looks_like(
    server: Server, open_page: Callable[..., Page], results: Path, scheme: str, width_px: int
) -> None:
    page = open_page(server.url, viewport={"width": width_px, "height": 900}, color_scheme=scheme)
    expect_connected(page)
    fake = server.fake
    fake.start("tracepoint")
    fake.emit("tracepoint", plausible(200))
    expect_counts(page, "200", "200")
    # A narrow window has no room for the names of users.
    expect(row(page, "git" if width_px == 390 else "root").first).to_be_visible()
    page.locator(".table__body .row:visible").nth(12).click()
    page.locator("#grid").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_visible()
    page.screenshot(path=results / f"columns-detail-{scheme}-{width_px}.png")
    overflow = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Columns", exact=True).click()
    expect(page.get_by_role("dialog", name="Columns")).to_be_in_viewport(ratio=1)
    page.screenshot(path=results / f"columns-menu-{scheme}-{width_px}.png")


ROW_WHILE_NAMES_COME = """async () => {
    const [{ EventStore }, { Row }, { presentation }] = await Promise.all(
        ["data/store.js", "ui/table/row.js", "format/presentation.js"]
            .map((path) => import(`/static/js/${path}`)));
    const store = new EventStore(100);
    const values = Uint32Array.of(11, 12);
    const source = { name: "pid", type: "uint32", values };
    store.append({ probe: "fexit", mode: "fexit", rows: 2, columns: [source] });
    let name = "1000";
    const parts = () => [{ text: name, className: "" }];
    const shown = store.columns.all.map((column) =>
        ({ column, look: { ...presentation(column), parts } }));
    const row = new Row(shown, "row-0");
    document.body.append(row.element);
    row.show(store, 1, null, 0, 0, false);
    const cell = row.element.querySelector(".cell");
    name = "alice";
    row.refresh();
    const between = [row.number, row.describe(store, cell)];
    row.show(store, 1, null, 0, 0, false);
    return [...between, cell.textContent];
}"""


def test_a_row_stays_the_same_row_while_names_come(page: Page) -> None:
    """What is pointed at between the coming of names and the next frame is not nothing."""
    assert page.evaluate(ROW_WHILE_NAMES_COME) == [1, "12", "alice"]
