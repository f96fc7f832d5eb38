# SPDX-License-Identifier: Apache-2.0
"""The page against the fake service: what it shows and what it asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from app.presets.deletions.not_seen import not_seen
from tests.browser.console_page import (
    card,
    expect_connected,
    expect_counts,
    filter_box,
    gaps_among_rows,
    row,
    rows,
)
from tests.browser.fake_service import REFUSED, FakeService, Server, plausible
from tests.support.waiting import wait_until


def test_a_click_starts_the_best_mode_and_rows_appear(page: Page, fake: FakeService) -> None:
    expect(page.get_by_role("heading", name="See who deletes what")).to_be_visible()
    page.get_by_role("button", name="Watch deletions").click()
    expect(card(page, "fexit").locator(".state")).to_have_text("running")
    assert fake.calls == [("POST", "fexit", {})]
    expect(page.locator("#empty-title")).to_have_text("Watching. No events yet")
    fake.emit("fexit", {"filename": [b"/tmp/hello"], "comm": [b"rm"], "ret": [-2], "pid": [12345]})
    expect(row(page, "/tmp/hello")).to_be_visible()
    assert (
        rows(page)[0].items()
        >= {
            "Probe": "fexit",
            "PID": "12345",
            "Process": "rm",
            "File": "/tmp/hello",
            "Result": "ENOENT",
        }.items()
    )
    expect(page.locator("#empty")).to_be_hidden()


def test_a_card_starts_and_stops_its_probe(page: Page, fake: FakeService) -> None:
    page.get_by_role("button", name="Start kprobe", exact=True).click()
    expect(card(page, "kprobe").locator(".state")).to_have_text("running")
    page.get_by_role("button", name="Stop kprobe").click()
    expect(card(page, "kprobe").locator(".state")).to_have_text("stopped")
    assert [call[:2] for call in fake.calls] == [("POST", "kprobe"), ("DELETE", "kprobe")]


def test_a_card_tells_what_its_probe_costs(page: Page, fake: FakeService) -> None:
    record = fake.start("tracepoint")
    facts = card(page, "tracepoint").locator(".card__facts")
    expect(facts).to_have_text("0/s")
    record["cost"] = {"calls": 1204, "ns_per_call": 693.5}
    fake.tell_state("tracepoint")
    expect(facts).to_have_text("0/s · 694 ns per call")
    expect(facts).to_have_attribute("title", re.compile("694 ns.* last 1,204 calls"))


def test_what_another_caller_starts_is_seen(page: Page, fake: FakeService) -> None:
    fake.start("tracepoint", {"filter": {"pid": 77}})
    expect(card(page, "tracepoint").locator(".state")).to_have_text("running")
    expect(card(page, "tracepoint")).to_contain_text("pid 77")


def test_an_answer_that_comes_late_does_not_undo_newer_news(
    open_page: Callable[..., Page], server: Server
) -> None:
    fake = server.fake
    fake.answers_lists.clear()
    page = open_page(server.url)
    expect_connected(page)
    fake.start("tracepoint")
    expect(card(page, "tracepoint").locator(".state")).to_have_text("running")
    fake.answers_lists.set()
    expect(page.locator("#host")).to_contain_text("fake-host")
    expect(card(page, "tracepoint").locator(".state")).to_have_text("running")


def test_asking_the_kernel_again_shows_what_it_allows_now(page: Page, fake: FakeService) -> None:
    for name in ("fentry", "fexit"):
        fake.probes[name].record.update(available=False, **REFUSED)
    page.get_by_role("button", name="Re-check kernel support").click()
    page.get_by_role("button", name="2 unavailable modes").click()
    expect(card(page, "fexit").locator(".state")).to_have_text("not available")
    expect(page.locator("#probes-summary")).to_contain_text("will start kretprobe")


def test_an_unavailable_mode_says_why_and_the_best_available_is_started(
    open_page: Callable[..., Page], fake: FakeService, server: Server
) -> None:
    for name in ("fentry", "fexit", "kprobe", "kretprobe"):
        fake.probes[name].record.update(available=False, **REFUSED)
    page = open_page(server.url)
    page.get_by_role("button", name="4 unavailable modes").click()
    refused = card(page, "fexit")
    expect(refused).to_contain_text(REFUSED["reason"])
    expect(refused).to_contain_text(REFUSED["hint"])
    expect(refused.locator(".state")).to_have_text("not available")
    expect(refused.get_by_role("button")).to_have_count(0)
    page.get_by_role("button", name="Watch deletions").click()
    expect(card(page, "tracepoint").locator(".state")).to_have_text("running")


def test_no_available_mode_disables_the_start(
    open_page: Callable[..., Page], fake: FakeService, server: Server
) -> None:
    for probe in fake.probes.values():
        probe.record.update(available=False, **REFUSED)
    page = open_page(server.url)
    expect(page.locator("#empty-title")).to_have_text("This kernel supports no probe")
    expect(page.get_by_role("button", name="Watch deletions")).to_be_disabled()


def test_start_options_are_checked_and_sent(page: Page, fake: FakeService) -> None:
    page.get_by_role("button", name="Start fexit with options").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Process ID").fill("zero")
    dialog.get_by_role("button", name="Start").click()
    expect(dialog).to_contain_text("Enter a whole number from 1 to 4194304.")
    assert fake.calls == []
    dialog.get_by_label("Process ID").fill("42")
    dialog.get_by_label("Process name").fill("rm")
    dialog.get_by_label("Stop automatically").fill("30")
    dialog.get_by_label("Failed calls only").check()
    dialog.get_by_role("button", name="Start").click()
    expect(dialog).to_be_hidden()
    spec = {
        "filter": {
            "pid": 42,
            "uid": None,
            "process": "rm",
            "comm": None,
            "only_failures": True,
        },
        "duration_s": 30,
    }
    assert fake.calls == [("POST", "fexit", spec)]
    expect(card(page, "fexit")).to_contain_text("pid 42 · process rm · failures only")


def test_what_a_mode_does_not_see_is_told(page: Page, fake: FakeService) -> None:
    page.get_by_role("button", name="Caveats of fexit").click()
    dialog = page.get_by_role("dialog", name="Caveats")
    expect(dialog.get_by_role("listitem")).to_have_text(not_seen("fexit", True))
    expect(dialog).to_contain_text("fexit does not see:")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_the_thread_is_shown_by_choice(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", {"process": [b"program"], "comm": [b"iou-wrk-7"]})
    expect_counts(page, "1", "1")
    assert rows(page)[0]["Process"] == "program"
    assert "Thread" not in rows(page)[0]
    page.get_by_role("button", name="Columns", exact=True).click()
    page.get_by_role("dialog", name="Columns").get_by_role("checkbox", name="Thread").check()
    page.keyboard.press("Escape")
    wait_until(lambda: rows(page)[0].get("Thread") == "iou-wrk-7", "the thread's name")


def test_the_filter_of_a_running_probe_is_changed(page: Page, fake: FakeService) -> None:
    fake.start("fentry")
    page.get_by_role("button", name="Change the filter of fentry").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Failed calls only")).to_be_disabled()
    dialog.get_by_label("User ID").fill("1000")
    dialog.get_by_role("button", name="Apply").click()
    expect(card(page, "fentry")).to_contain_text("uid 1000")
    assert fake.calls[0][:2] == ("PATCH", "fentry")


def test_a_refusal_is_told_in_words(page: Page, fake: FakeService) -> None:
    fake.next_problem = (
        501,
        {
            "detail": "This kernel cannot run fexit",
            "code": "unavailable",
            "reason": "EPERM: Operation not permitted",
            "alternatives": ["tracepoint"],
        },
    )
    page.get_by_role("button", name="Watch deletions").click()
    notice = page.get_by_role("alert").filter(has_text="fexit was not started")
    expect(notice).to_contain_text("This kernel cannot run fexit")
    expect(notice).to_contain_text("EPERM: Operation not permitted")
    expect(notice).to_contain_text("Available here: tracepoint.")
    notice.get_by_role("button", name="Dismiss", exact=True).click()
    expect(page.locator(".notice")).to_have_count(0)


def test_a_refusal_in_the_dialog_is_told_there(page: Page, fake: FakeService) -> None:
    fake.next_problem = (403, {"detail": "Only the user who started it may.", "code": "forbidden"})
    page.get_by_role("button", name="Start fexit with options").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Start").click()
    expect(dialog).to_contain_text("Only the user who started it may.")


def test_words_and_boxes_filter_while_rows_come(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(1000))
    expect_counts(page, "1,000", "1,000")
    page.get_by_label("Filter", exact=True).fill("RM stage-5")
    expect_counts(page, "1,000", str(sum(n % 45 == 5 for n in range(1000))))
    assert all("stage-5" in it["File"] and it["Process"] == "rm" for it in rows(page))
    fake.emit("fexit", {"comm": [b"rm", b"cat"], "filename": [b"/x/stage-5", b"/x/stage-5"]})
    expect_counts(page, "1,002", str(sum(n % 45 == 5 for n in range(1000)) + 1))
    page.get_by_label("Filter", exact=True).fill("")
    filter_box(page, "Result").fill("ENOENT")
    failed = [n for n in range(1000) if n % 7 == 6]
    expect_counts(page, "1,002", str(len(failed)))
    filter_box(page, "PID").fill("4010..4019")
    expect_counts(page, "1,002", str(sum(10 <= n % 50 <= 19 for n in failed)))
    filter_box(page, "Process").fill("git")
    git = [n for n in failed if 10 <= n % 50 <= 19 and n % 5 == 3]
    expect_counts(page, "1,002", str(len(git)))
    assert [it["File"].rpartition("/")[2] for it in rows(page)] == [f"file-{n}.o" for n in git]
    filter_box(page, "Latency").fill("<1ns")
    expect_counts(page, "1,002", "0")


def test_a_faulty_filter_is_marked_and_explained(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(10))
    box = filter_box(page, "PID")
    box.fill(">many")
    expect(box).to_have_attribute("aria-invalid", "true")
    fault = page.locator("#filter-fault")
    expect(fault).to_have_text("The PID filter is not applied: “many” is not a number.")
    expect_counts(page, "10", "10")
    box.fill(">4005")
    expect(box).not_to_have_attribute("aria-invalid", "true")
    expect(fault).to_be_hidden()
    expect_counts(page, "10", "4")


def test_a_filter_that_hides_all_can_be_cleared(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(10))
    filter_box(page, "File").fill("no such file")
    expect(page.locator("#empty-title")).to_have_text("No event matches the filter")
    page.get_by_role("button", name="Clear filters").click()
    expect_counts(page, "10", "10")
    expect(filter_box(page, "File")).to_have_value("")


def test_the_newest_is_followed_until_one_scrolls_up(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(500))
    expect(row(page, "/file-499.o")).to_be_in_viewport()
    page.locator("#grid").hover()
    page.mouse.wheel(0, -2000)
    expect(row(page, "/file-499.o")).to_have_count(0)
    expect(page.locator("#newest")).to_have_text("Jump to newest")
    before = [it["File"] for it in rows(page)]
    fake.emit("fexit", plausible(100, 500))
    expect(page.locator("#newest")).to_have_text("100 new events")
    assert [it["File"] for it in rows(page)] == before
    page.locator("#newest").click()
    expect(row(page, "/file-599.o")).to_be_in_viewport()
    expect(page.locator("#newest")).to_be_hidden()
    fake.emit("fexit", plausible(1, 600))
    expect(row(page, "/file-600.o")).to_be_in_viewport()


def test_pause_holds_the_view_and_loses_nothing(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(10))
    expect_counts(page, "10", "10")
    page.get_by_role("button", name="Pause", exact=True).click()
    fake.emit("fexit", plausible(5, 10))
    expect(page.locator("#newest")).to_have_text("Paused · 5 new events")
    expect_counts(page, "15", "10")
    page.get_by_role("button", name="Resume").click()
    expect_counts(page, "15", "15")


def test_clear_empties_the_table_and_the_counts(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(10))
    fake.gap("fexit", "kernel", 3)
    expect(page.locator("#losses")).to_be_visible()
    page.get_by_role("button", name="Clear", exact=True).click()
    expect_counts(page, "0", "0")
    expect(page.locator("#losses")).to_be_hidden()
    fake.emit("fexit", plausible(2))
    expect_counts(page, "2", "2")


def test_losses_are_told_in_a_badge_and_at_their_place(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(3))
    fake.gap("fexit", "kernel", 1234)
    fake.emit("fexit", plausible(2, 3))
    fake.gap("fexit", "client", 1)
    fake.tell_state("fexit")
    expect(page.locator("#losses-total")).to_have_text("1,235 lost")
    expect(page.locator("#losses-where")).to_have_text(
        "fexit: 1,234 in the kernel · fexit: 1 on the way to this page"
    )
    expect(card(page, "fexit")).to_contain_text("1,235 lost")
    marks = page.locator(".row--gap:visible")
    expect(marks).to_have_text(
        [
            re.compile("1,234 events of fexit are missing here: lost in the kernel"),
            re.compile("1 event of fexit is missing here: lost on the way to this page"),
        ]
    )
    assert gaps_among_rows(page) == [False, False, False, True, False, False, True]
    page.get_by_label("Filter", exact=True).fill("nothing has this word")
    expect(page.locator("#count-shown")).to_have_text("0")
    expect(marks).to_have_count(2)


def test_probes_with_other_columns_share_the_table(page: Page, fake: FakeService) -> None:
    fake.start("tracepoint")
    fake.start("kprobe")
    fake.emit("tracepoint", {"syscall": [b"rmdir"], "filename": [None], "ret": [0]})
    fake.emit("kprobe", {"filename": [b"/only/entry"]})
    expect_counts(page, "2", "2")
    first, second = rows(page)
    assert (first["Call"], first["File"], first["Result"]) == ("rmdir", "∅", "0")
    assert (second["Call"], second["File"], second["Result"]) == ("", "/only/entry", "")
    filter_box(page, "Probe").fill("kprobe")
    expect_counts(page, "2", "1")


def test_hovering_tells_the_whole_value(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit(
        "fexit", {"time": [1_795_341_600_123_456_789], "ret": [-13], "latency_ns": [1_234_567]}
    )
    expect_counts(page, "1", "1")
    for text, title in (
        (re.compile(r":00\.123456$"), "2026-11-22T10:00:00.123456789Z (UTC)"),
        ("EACCES", "-13 EACCES: Permission denied"),
        ("1.23 ms", "1,234,567 ns"),
    ):
        cell = page.locator(".table__body .cell:visible").filter(has_text=text)
        cell.hover()
        expect(cell).to_have_attribute("title", title)


def test_what_is_pointed_at_keeps_its_title_when_the_row_is_made_again(
    page: Page, fake: FakeService
) -> None:
    held: list[Route] = []
    page.route("**/users*", lambda route: held.append(route))  # noqa: PLW0108  not a builtin
    fake.start("fexit")
    with page.expect_request("**/users*"):
        fake.emit("fexit", {"ret": [-13], "uid": [0]})
    cell = page.locator(".table__body .cell:visible").filter(has_text="EACCES")
    cell.hover()
    title = "-13 EACCES: Permission denied"
    expect(cell).to_have_attribute("title", title)
    held.pop().continue_()
    expect(page.locator(".table__body .cell:visible").filter(has_text="root")).to_be_visible()
    assert cell.get_attribute("title") == title


HOSTILE = [
    b"<img src=x onerror=\"document.title='owned'\">",
    b"<script>document.title='owned'</script>",
    b"\x1b[31mred\x1b[0m\r\nnext",
    "\u202egnp.exe".encode(),
    "\u2066isolate".encode(),
    b"' or 1=1 -- ${7*7} {{7*7}}",
]


@pytest.mark.parametrize("column", ["filename", "process"])
def test_hostile_text_is_inert(page: Page, fake: FakeService, column: str) -> None:
    title = page.title()
    fake.start("fexit")
    fake.emit("fexit", {column: HOSTILE, "pid": list(range(1, 7))})
    expect_counts(page, "6", "6")
    heading = {"filename": "File", "process": "Process"}[column]
    shown = [it[heading] for it in rows(page)]
    assert shown[:2] == [HOSTILE[0].decode(), HOSTILE[1].decode()]
    assert shown[2:5] == ["\\e[31mred\\e[0m\\r\\nnext", "U+202Egnp.exe", "U+2066isolate"]
    assert page.locator("#grid img, #grid script").count() == 0
    assert page.title() == title
    # Nothing of the row moved: its cells stand from left to right in the order of the heading.
    for it in page.locator(".table__body .row:visible").all():
        lefts = it.locator(".cell:visible").evaluate_all(
            "(cells) => cells.map((cell) => cell.getBoundingClientRect().left)"
        )
        assert lefts == sorted(lefts)


def test_right_to_left_text_keeps_its_cell_and_its_order(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", {"filename": ["/home/שלום/קובץ.txt".encode()], "comm": ["ابجد".encode()]})
    expect_counts(page, "1", "1")
    assert rows(page)[0]["File"] == "/home/שלום/קובץ.txt"
    folder, name = page.locator(".table__body .cell--path:visible span").evaluate_all(
        "(parts) => parts.map((part) => part.getBoundingClientRect().left)"
    )
    assert folder < name


def test_the_policy_is_watched(open_page: Callable[..., Page], server: Server) -> None:
    """Without this the check of every other test could be blind."""
    page = open_page(server.url)
    page.evaluate(
        """() => new Promise((resolve) => {
            document.addEventListener("securitypolicyviolation", resolve, { once: true });
            document.body.insertAdjacentHTML("beforeend", '<p style="color: red">x</p>');
        })"""
    )
    violations = page.evaluate("window.violations")
    assert [it.split()[0] for it in violations] == ["style-src-attr"]
    page.evaluate("window.violations = []")


def test_after_a_reconnect_no_row_is_twice_and_none_missing(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    for first in (0, 10, 20):
        fake.emit("fexit", plausible(10, first))
    fake.gap("fexit", "kernel", 5)
    expect_counts(page, "30", "30")
    opened = fake.connections
    fake.disconnect()
    expect(page.locator("#connection-text")).to_contain_text("Connection lost")
    fake.emit("fexit", plausible(10, 30))
    expect_connected(page)
    assert fake.connections > opened
    expect_counts(page, "40", "40")
    fake.emit("fexit", plausible(10, 40))
    expect_counts(page, "50", "50")
    assert [it["File"].rpartition("/")[2] for it in rows(page)][-20:] == [
        f"file-{n}.o" for n in range(30, 50)
    ]
    expect(page.locator("#losses-total")).to_have_text("5 lost")


def test_what_the_service_no_longer_held_is_marked(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(10))
    expect_counts(page, "10", "10")
    fake.serves_websockets = False
    fake.disconnect()
    expect(page.locator("#connection-text")).to_contain_text("Connection lost")
    fake.emit("fexit", plausible(10, 10))
    fake.forget_recent()
    fake.emit("fexit", plausible(10, 20))
    # While it still waits: the button is there between two attempts alone.
    page.get_by_role("button", name="Try now").click()
    fake.serves_websockets = True
    expect_counts(page, "20", "20")
    expect(row(page, "Events of fexit are missing here")).to_contain_text(
        "lost while the connection was lost"
    )


def test_a_frame_that_is_no_batch_is_told_and_the_next_is_taken(
    page: Page, fake: FakeService
) -> None:
    fake.start("fexit")
    fake.send(b"no Arrow at all")
    fake.emit("fexit", plausible(3))
    expect_counts(page, "3", "3")
    expect(page.locator(".notice")).to_contain_text("A message from the service was not understood")
    page.get_by_role("button", name="Dismiss", exact=True).click()


def test_all_of_it_by_keyboard(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(500))
    expect_counts(page, "500", "500")
    grid = page.get_by_role("grid", name="Events")
    expect(grid).to_have_attribute("aria-rowcount", "502")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "grid":
            break
    expect(grid).to_be_focused()
    page.keyboard.press("Home")
    current = page.locator(".row--current")
    expect(current).to_have_attribute("aria-rowindex", "3")
    expect(current).to_contain_text("file-0.o")
    page.keyboard.press("ArrowDown")
    expect(current).to_contain_text("file-1.o")
    expect(grid).to_have_attribute("aria-activedescendant", re.compile(r"^row-\d+$"))
    page.keyboard.press("PageDown")
    expect(current).to_be_in_viewport()
    page.keyboard.press("End")
    expect(current).to_contain_text("file-499.o")
    expect(current).to_be_in_viewport()


def test_copying_gives_cells_apart_by_tabs(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", {"filename": [b"/a/b/c", b"/a/d"], "comm": [b"rm", b"mv"]})
    expect_counts(page, "2", "2")
    copied = page.evaluate(
        """() => {
            const body = document.querySelector(".table__body");
            getSelection().selectAllChildren(body);
            const clipboardData = new DataTransfer();
            const event = new ClipboardEvent("copy", { clipboardData, bubbles: true });
            body.dispatchEvent(event);
            return event.clipboardData.getData("text/plain");
        }"""
    )
    lines = [line.split("\t") for line in copied.splitlines()]
    assert [("rm" in line, "/a/b/c" in line) for line in lines] == [(True, True), (False, False)]


@pytest.mark.parametrize("width", [360, 1440, 3840])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window(
    open_page: Callable[..., Page], server: Server, results: Path, scheme: str, width: int
) -> None:
    fake = server.fake
    for name in ("fentry", "fexit"):
        fake.probes[name].record.update(available=False, **REFUSED)
    viewport = {"width": width, "height": max(740, width * 9 // 16)}
    page = open_page(server.url, viewport=viewport, color_scheme=scheme)
    fake.start("tracepoint")
    fake.emit("tracepoint", plausible(40))
    fake.gap("tracepoint", "kernel", 12)
    fake.emit("tracepoint", {"filename": HOSTILE})
    expect_counts(page, "46", "46")
    page.screenshot(path=results / f"console-{scheme}-{width}.png")
    overflow = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(value) for value in re.findall(r"\d+", ground)[:3]) / 3
    assert (brightness > 128) == (scheme == "light")
