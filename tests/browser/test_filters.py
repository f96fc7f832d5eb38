# SPDX-License-Identifier: Apache-2.0
"""The filter bar against the fake service: typing, completion, boxes, chips, kernel, address."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.console_page import expect_chips, expect_counts, filter_box, row, rows
from tests.browser.fake_service import FakeService, Server, plausible

FRAGMENT = "() => decodeURIComponent(location.hash)"


def bar(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Filter", exact=True)


def options(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Suggestions").get_by_role("option")


@pytest.fixture
def ten(page: Page, fake: FakeService) -> Page:
    """Ten events of fexit: five commands twice each, one failure."""
    fake.start("fexit")
    fake.emit("fexit", plausible(10))
    expect_counts(page, "10", "10")
    return page


def expect_fragment(page: Page, fragment: str) -> None:
    page.wait_for_function(f"(wanted) => ({FRAGMENT})() === wanted", arg=fragment)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("comm=rm", 2),
        ("comm!=rm", 8),
        ("filename~*-5.o", 1),
        ("pid=4003..4005", 3),
        ("ret<0", 1),
        ("ret=ENOENT or comm=rm", 3),
        ("not (comm=rm or comm=git)", 6),
        ("latency>1ms", 0),
        ("process=git file~*stage-3*", 1),
    ],
)
def test_the_language_filters_the_table(ten: Page, text: str, shown: int) -> None:
    bar(ten).fill(text)
    expect_counts(ten, "10", str(shown))
    expect(bar(ten)).not_to_have_attribute("aria-invalid", "true")


def test_a_fault_is_marked_as_one_types_and_the_last_filter_stays(ten: Page) -> None:
    bar(ten).fill("comm=rm")
    expect_counts(ten, "10", "2")
    bar(ten).press_sequentially(" pid>many")
    expect(bar(ten)).to_have_attribute("aria-invalid", "true")
    fault = ten.locator("#filter-text-fault")
    expect(fault).to_contain_text("“many” is not a number")
    expect(fault).to_contain_text("Still active: comm=rm")
    expect(fault.locator("mark")).to_have_text("many")
    expect(ten.locator(".filterbar__wrong")).to_have_text("many")
    expect(bar(ten)).to_have_attribute("aria-describedby", "filter-text-fault")
    expect_counts(ten, "10", "2")
    # The underline lies under the letters that it means.
    lefts = ten.evaluate(
        """() => {
            const wrong = document.querySelector(".filterbar__wrong").getBoundingClientRect();
            const field = document.getElementById("text-filter");
            const letter = wrong.width / 4;
            return [wrong.left, field.getBoundingClientRect().left + 12 + 12 * letter];
        }"""
    )
    assert abs(lefts[0] - lefts[1]) < 2
    bar(ten).fill("comm=rm pid>4000")
    expect(fault).to_be_hidden()
    expect_counts(ten, "10", "1")


def test_an_unknown_column_is_told_with_the_nearest(ten: Page) -> None:
    bar(ten).fill("filenam=x")
    expect(ten.locator("#filter-text-fault")).to_contain_text(
        "no column “filenam”; did you mean filename?"
    )


def grid(page: Page) -> Locator:
    return page.get_by_role("grid", name="Events")


@pytest.mark.parametrize("key", ["Tab", "Enter"])
def test_column_operator_and_value_are_completed_by_keys(ten: Page, key: str) -> None:
    bar(ten).press_sequentially("com")
    expect(options(ten)).to_have_count(1)
    expect(bar(ten)).to_have_attribute("aria-expanded", "true")
    expect(bar(ten)).to_have_attribute("aria-activedescendant", re.compile("^text-filter-list-"))
    ten.keyboard.press(key)
    expect(bar(ten)).to_have_value("comm")
    expect(options(ten).locator("code")).to_have_text(["comm=", "comm!=", "comm~", "comm!~"])
    ten.keyboard.press(key)
    expect(bar(ten)).to_have_value("comm=")
    expect(options(ten)).to_have_count(5)
    ten.keyboard.type("g")
    expect(options(ten).locator("code")).to_have_text(["git", "gcc"])
    ten.keyboard.press(key)
    expect(bar(ten)).to_have_value("comm=git")
    expect(bar(ten)).to_be_focused()
    expect_counts(ten, "10", "2")
    ten.keyboard.press("Enter")
    expect(grid(ten)).to_be_focused()


def test_completion_does_not_stand_in_the_way(ten: Page) -> None:
    bar(ten).press_sequentially("comm=rm")
    expect(options(ten)).to_have_count(0)
    ten.keyboard.press("Enter")
    expect(grid(ten)).to_be_focused()
    expect(bar(ten)).to_have_value("comm=rm")
    bar(ten).fill("pid=40")
    bar(ten).press("End")
    bar(ten).press("ArrowDown")
    bar(ten).press("ArrowUp")
    ten.keyboard.press("Enter")  # 40 is a number, though 4000 was seen
    expect(bar(ten)).to_have_value("pid=40")
    expect(grid(ten)).to_be_focused()
    bar(ten).fill("")
    bar(ten).press_sequentially("comm")
    expect(options(ten)).to_have_count(4)
    ten.keyboard.press("Escape")
    expect(options(ten)).to_have_count(0)
    expect(bar(ten)).to_have_value("comm")
    expect(bar(ten)).to_be_focused()
    ten.keyboard.press("Escape")
    expect(grid(ten)).to_be_focused()
    bar(ten).focus()
    ten.keyboard.press("Tab")
    expect(bar(ten)).not_to_be_focused()
    expect(options(ten)).to_have_count(0)


def test_a_fault_keeps_the_focus_on_enter_and_not_on_escape(ten: Page) -> None:
    bar(ten).fill("pid=")
    ten.keyboard.press("Escape")
    bar(ten).focus()
    ten.keyboard.press("Enter")
    expect(bar(ten)).to_be_focused()
    ten.keyboard.press("Escape")
    expect(grid(ten)).to_be_focused()


def test_the_empty_bar_offers_columns_and_is_no_trap(ten: Page) -> None:
    ten.keyboard.press("/")
    expect(bar(ten)).to_be_focused()
    expect(options(ten).locator("code")).to_contain_text(["time", "probe", "pid"])
    ten.keyboard.press("Tab")
    expect(bar(ten)).not_to_be_focused()
    expect(options(ten)).to_have_count(0)
    ten.keyboard.press("/")
    ten.keyboard.press("Escape")
    expect(grid(ten)).to_be_focused()
    ten.keyboard.press("/")
    ten.keyboard.press("ArrowDown")
    ten.keyboard.press("Enter")
    expect(bar(ten)).to_have_value("time")


@pytest.mark.parametrize("key", ["Enter", "Escape"])
def test_a_box_is_left_for_the_table(ten: Page, key: str) -> None:
    filter_box(ten, "PID").fill("4003")
    filter_box(ten, "PID").press(key)
    expect(grid(ten)).to_be_focused()
    expect_counts(ten, "10", "1")


def test_what_was_counted_for_completion_is_said(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    for first in range(0, 20_000, 5_000):
        fake.emit("fexit", plausible(5_000, first))
    expect_counts(page, "20,000", "20,000")
    bar(page).press_sequentially("comm=g")
    expect(options(page).first).to_contain_text("of the newest 16,384")


def test_what_a_filter_was_taken_for_is_said_with_the_right_form(ten: Page) -> None:
    hints = ten.locator(".filterhint")
    bar(ten).fill("latency>1")
    expect(hints).to_contain_text(["latency>1 has no unit: interpreted as 1 ns"])
    expect_counts(ten, "10", "10")
    expect(options(ten).first).to_contain_text("the default unit")
    bar(ten).press("Escape")  # the list of units lies over the line
    ten.get_by_role("button", name="latency>1ms", exact=True).click()
    expect(bar(ten)).to_have_value("latency>1ms")
    expect(bar(ten)).to_be_focused()
    expect(hints).to_have_text(["No event matches. Interpreted as: Latency is greater than 1ms"])
    bar(ten).fill("comm=rm|git")
    expect(hints.first).to_contain_text("“rm|git” is a single text")
    ten.get_by_role("button", name="comm in (rm, git)").click()
    expect_counts(ten, "10", "4")
    expect(hints).to_have_count(0)
    bar(ten).fill("comm=~^r")
    expect(ten.locator("#filter-text-fault")).to_contain_text("=~ is not an operator")
    ten.get_by_role("button", name="comm~*r*", exact=True).click()
    expect(bar(ten)).to_have_value("comm~*r*")
    expect(hints).to_have_count(0)


@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        ("#columns=zzz", "no column “zzz”; the columns are time"),
        ("#columns=pid,zzz", "no column “zzz”"),
        ("#sort=-zzz", "no column “zzz” to sort by"),
        ("#filter=%E0%A4%A", "the filter parameter has an invalid percent-escape"),
    ],
)
def test_what_the_address_asks_for_and_there_is_not_is_said(
    open_page: Callable[..., Page], fake: FakeService, server: Server, fragment: str, words: str
) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(10))
    page = open_page(server.url + "/" + fragment)
    notice = page.get_by_role("alert").locator(".notice")
    expect(notice).to_contain_text([re.compile(re.escape(words), re.I)])
    expect_counts(page, "10", "10")
    expect(page.get_by_role("columnheader", name="PID")).to_be_visible()
    shown = page.get_by_role("columnheader").count()
    assert (shown == 1) == (fragment == "#columns=pid,zzz")
    page.evaluate("location.hash = '#columns=nope,comm'")
    expect(notice).to_contain_text(
        ["“nope”"] if fragment.startswith("#x") else [words[-3:], "nope"]
    )


def test_errors_are_named_by_the_services_table(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    numbers = [-95, -25, -512, -600, 0]
    names = [b"ENOTSUP", b"ENOTTY", b"ERESTARTSYS", b"E600", None]
    fake.emit("fexit", {"ret": numbers, "errno": names})
    expect_counts(page, "5", "5")
    assert [it["Result"] for it in rows(page)] == [
        "ENOTSUP",
        "ENOTTY",
        "ERESTARTSYS",
        "\N{MINUS SIGN}600",
        "0",
    ]
    for text in ("ret=ENOTSUP", "ret=EOPNOTSUPP", "errno=eopnotsupp", "ret=ENOTTY", "ret=-ENOTTY",
                 "errno=E600", "ret=E600", "EOPNOTSUPP", "ret=ERESTARTSYS"):  # fmt: skip
        bar(page).fill(text)
        expect_counts(page, "5", "1")
    bar(page).fill("")
    bar(page).press_sequentially("errno=EOPN")
    expect(options(page).locator("code")).to_have_text(["EOPNOTSUPP"])
    page.keyboard.press("Enter")
    expect_counts(page, "5", "1")


def test_a_second_name_of_a_user_is_understood(ten: Page) -> None:
    bar(ten).fill("uid=toor")
    expect_counts(ten, "10", "6")
    expect(bar(ten)).not_to_have_attribute("aria-invalid", "true")
    assert "toor" not in [it["User"] for it in rows(ten)]


def test_a_value_is_completed_by_a_click_and_errors_have_names(ten: Page) -> None:
    bar(ten).press_sequentially("ret=EACC")
    expect(options(ten)).to_contain_text(["Permission denied"])
    options(ten).first.click()
    expect(bar(ten)).to_have_value("ret=EACCES")
    expect(bar(ten)).to_be_focused()


def test_hostile_values_are_completed_as_text(page: Page, fake: FakeService) -> None:
    hostile = '<img src=x onerror="document.title=1">'
    fake.start("fexit")
    fake.emit("fexit", {"comm": [b"\xe2\x80\xaegnp", b'a "b"'], "filename": [hostile.encode()] * 2})
    expect_counts(page, "2", "2")
    bar(page).press_sequentially("comm=")
    expect(options(page)).to_have_count(2)
    assert sorted(options(page).locator("code").all_text_contents()) == [
        '"\\u{202e}gnp"',
        '"a \\"b\\""',
    ]
    options(page).filter(has_text="202e").click()
    expect_counts(page, "2", "1")
    bar(page).fill("filename=")
    bar(page).press("ArrowDown")
    options(page).first.click()
    expect_counts(page, "2", "2")
    assert page.locator("main img").count() == 0
    assert page.title() == "Probedeck"


def test_filters_used_before_come_back(ten: Page) -> None:
    for text in ("comm=rm", "ret<0"):
        bar(ten).fill(text)
        bar(ten).press("Enter")
    ten.get_by_role("button", name="Clear the filter").click()
    expect(bar(ten)).to_be_focused()
    expect_counts(ten, "10", "10")
    ten.keyboard.press("ArrowUp")
    expect(bar(ten)).to_have_value("ret<0")
    ten.keyboard.press("ArrowUp")
    expect(bar(ten)).to_have_value("comm=rm")
    expect_counts(ten, "10", "2")
    ten.keyboard.press("ArrowDown")
    expect(bar(ten)).to_have_value("ret<0")
    expect_fragment(ten, "#filter=ret<0")
    ten.reload()
    expect(bar(ten)).to_have_value("ret<0")
    bar(ten).fill("")
    bar(ten).press("ArrowUp")
    expect(bar(ten)).to_have_value("ret<0")


def test_boxes_and_bar_agree(ten: Page) -> None:
    filter_box(ten, "Process").fill("rm")
    expect(bar(ten)).to_have_value("process~*rm*")
    filter_box(ten, "Latency").press_sequentially("> 1 us")
    expect(bar(ten)).to_have_value("process~*rm* and latency>1us")
    expect(filter_box(ten, "Latency")).to_have_value("> 1 us")
    filter_box(ten, "Process").fill("=git")
    expect(bar(ten)).to_have_value("process=git and latency>1us")
    expect_counts(ten, "10", "2")
    bar(ten).fill("process!=git pid>4003 stage")
    expect(filter_box(ten, "Process")).to_have_value("!=git")
    expect(filter_box(ten, "PID")).to_have_value(">4003")
    expect(filter_box(ten, "Latency")).to_have_value("")
    filter_box(ten, "PID").fill("")
    expect(bar(ten)).to_have_value("process!=git and stage")
    expect_counts(ten, "10", "8")


def test_each_test_is_a_chip_that_can_be_removed(ten: Page) -> None:
    bar(ten).fill("comm=rm (pid=4000 or ret<0) stage")
    expect_chips(ten, "comm=rm | in view", "(pid=4000 or ret<0) | in view", "stage | in view")
    ten.get_by_role("button", name="Remove comm=rm, in view").click()
    expect(bar(ten)).to_have_value("(pid=4000 or ret<0) stage")
    expect_counts(ten, "10", "2")
    expect(ten.get_by_role("button", name="Remove (pid=4000 or ret<0), in view")).to_be_focused()


def test_one_click_moves_tests_into_the_kernel_and_back(ten: Page, fake: FakeService) -> None:
    bar(ten).fill("comm=rm ret<0 stage")
    fake.calls.clear()
    ten.get_by_role("button", name="Apply in the kernel").click()
    expect(bar(ten)).to_have_value("stage")
    expect_chips(
        ten,
        "comm=rm | in the kernel for everyone on fexit",
        "ret<0 | in the kernel for everyone on fexit",
        "stage | in view",
    )
    assert fake.calls == [("PATCH", "fexit", {"filter": {"comm": "rm", "only_failures": True}})]
    expect(ten.get_by_role("button", name="Apply in the kernel")).to_be_hidden()
    ten.get_by_role("button", name="Remove comm=rm, in the kernel").click()
    expect_chips(ten, "ret<0 | in the kernel for everyone on fexit", "stage | in view")
    assert fake.calls[-1] == ("PATCH", "fexit", {"filter": {"comm": None}})


def test_what_a_probe_cannot_test_stays_in_view_and_is_said(ten: Page, fake: FakeService) -> None:
    fake.start("fentry")
    expect(ten.locator("#probes-summary")).to_contain_text("fentry, fexit attached")
    fake.calls.clear()
    bar(ten).fill("uid=0 ret<0")
    ten.get_by_role("button", name="Apply in the kernel").click()
    expect(ten.locator("#filter-line")).to_contain_text(
        "fentry does not see return values: ret<0 stays"
    )
    expect_chips(
        ten,
        "uid=0 | in the kernel for everyone",
        "ret<0 | in the kernel for everyone on fexit",
        "ret<0 | in view",
    )
    expect(bar(ten)).to_have_value("ret<0")
    assert sorted(fake.calls, key=str) == [
        ("PATCH", "fentry", {"filter": {"uid": 0}}),
        ("PATCH", "fexit", {"filter": {"uid": 0, "only_failures": True}}),
    ]
    expect_counts(ten, "10", "1")


def test_a_refused_move_is_told_and_the_test_stays(ten: Page, fake: FakeService) -> None:
    bar(ten).fill("comm=rm")
    fake.next_problem = (404, {"detail": "fexit does not run", "code": "not_running"})
    ten.get_by_role("button", name="Apply in the kernel").click()
    expect(ten.get_by_role("alert")).to_contain_text("The filter of fexit was not changed")
    expect(ten.get_by_role("alert")).to_contain_text("Fexit does not run")
    expect(bar(ten)).to_have_value("comm=rm")
    expect_chips(ten, "comm=rm | in view")


def test_a_filter_that_another_caller_set_in_the_kernel_is_shown(
    page: Page, fake: FakeService
) -> None:
    fake.start("tracepoint", {"filter": {"comm": "my rm"}})
    expect(page.locator(".chip")).to_have_count(1)
    expect_chips(page, 'comm="my rm" | in the kernel for everyone on tracepoint')


def test_the_address_holds_the_filter(
    ten: Page, open_page: Callable[..., Page], server: Server
) -> None:
    bar(ten).fill('comm=rm and file~"*stage 1*"')
    expect_fragment(ten, '#filter=comm=rm and file~"*stage 1*"')
    bar(ten).fill("comm=rm pid=")
    expect(ten.locator("#filter-text-fault")).to_be_visible()
    bar(ten).fill("comm=rm")
    expect_fragment(ten, "#filter=comm=rm")
    colleague = open_page(ten.url)
    expect(bar(colleague)).to_have_value("comm=rm")
    expect_counts(colleague, "10", "2")
    bar(ten).fill("")
    expect_fragment(ten, "")
    assert ten.url == server.url + "/"


AFTER_WRITES = """() => new Promise((resolve) =>
    requestAnimationFrame(() => setTimeout(resolve, 400)))"""  # behind what a frame asks for


def test_what_the_address_asks_for_waits_for_the_columns(
    open_page: Callable[..., Page], fake: FakeService, server: Server
) -> None:
    """Drawn before the service answered, the page took the filter out of its address."""
    fake.start("fexit")
    fake.emit("fexit", plausible(10))
    fake.serves_websockets = False
    fake.answers_lists.clear()
    url = f"{server.url}/#other=a%2fb&filter=ret%3C0&x"
    page = open_page(url)
    expect(bar(page)).to_have_value("ret<0")
    page.evaluate(AFTER_WRITES)
    expect(page.locator("#filter-text-fault")).to_be_hidden()
    assert page.url == url
    fake.serves_websockets = True
    fake.answers_lists.set()
    expect_counts(page, "10", "1")
    assert page.url == url


def test_other_parameters_of_the_address_stay(
    open_page: Callable[..., Page], fake: FakeService, server: Server
) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(10))
    page = open_page(f"{server.url}/#other=a%2fb&filter=ret%3C0&x")
    expect(bar(page)).to_have_value("ret<0")
    expect_counts(page, "10", "1")
    bar(page).fill("comm=rm")
    expect(page).to_have_url(f"{server.url}/#other=a%2fb&filter=comm=rm&x")
    page.evaluate("() => { location.hash = '#filter=comm%3Dgit&other=a%2fb'; }")
    expect(bar(page)).to_have_value("comm=git")
    expect_counts(page, "10", "2")


@pytest.mark.parametrize("fragment", ["#filter=%E0%A4%A", "#filter=pid%3D", "#%&=&&filter"])
def test_rubbish_in_the_address_stops_nothing(
    open_page: Callable[..., Page], fake: FakeService, server: Server, fragment: str
) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(10))
    page = open_page(server.url + "/" + fragment)
    expect_counts(page, "10", "10")


def test_columns_of_probes_that_do_not_run_can_be_named(page: Page, fake: FakeService) -> None:
    bar(page).fill("syscall=rmdir")
    expect(bar(page)).not_to_have_attribute("aria-invalid", "true")
    fake.start("tracepoint")
    fake.emit("tracepoint", plausible(9))
    expect_counts(page, "9", "3")


def test_the_cheat_sheet_opens_closes_and_gives_examples(ten: Page) -> None:
    button = ten.get_by_role("button", name="The filter language")
    button.click()
    sheet = ten.get_by_role("dialog", name="The filter language")
    expect(sheet).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    button.press("Escape")
    expect(sheet).to_be_hidden()
    button.click()
    sheet.get_by_role("button", name="ret<0", exact=True).click()
    expect(sheet).to_be_hidden()
    expect(bar(ten)).to_have_value("ret<0")
    expect_counts(ten, "10", "1")


def test_a_filter_holds_while_rows_come(ten: Page, fake: FakeService) -> None:
    bar(ten).fill("comm=rm and not filename~*stage-0*")
    expect_counts(ten, "10", "1")
    fake.emit("fexit", {"comm": [b"rm", b"RM"], "filename": [b"/x", b"/y"]})
    expect_counts(ten, "12", "2")
    expect(row(ten, "/x")).to_be_visible()
    assert [it["Process"] for it in rows(ten)] == ["rm", "rm"]


SCENES: dict[str, Callable[[Page], Any]] = {
    "complete": lambda page: bar(page).press_sequentially(" errno=EN"),
    "fault": lambda page: bar(page).press_sequentially(" latency>5mx"),
    "help": lambda page: page.get_by_role("button", name="The filter language").click(),
}


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_bar_fits_its_window(
    open_page: Callable[..., Page], server: Server, results: Path, scheme: str, width: int
) -> None:
    fake = server.fake
    fake.start("fexit", {"filter": {"uid": 0}})
    fake.emit("fexit", plausible(40))
    for name, scene in SCENES.items():
        viewport = {"width": width, "height": 740}
        page = open_page(server.url + "/#filter=comm%3Drm", viewport=viewport, color_scheme=scheme)
        expect_counts(page, "40", "8")
        bar(page).press("End")
        scene(page)
        page.screenshot(path=results / f"filter-{name}-{scheme}-{width}.png")
        overflow = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
        assert overflow <= 0
