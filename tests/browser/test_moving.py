# SPDX-License-Identifier: Apache-2.0
"""Tests of the page's filter are moved into the kernel, for probes with a target; and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from app.columns.column import Column
from tests.browser.axe import grave_faults
from tests.browser.console_page import card, expect_chips, expect_counts
from tests.browser.fake_service import FakeService, Server

PATH = Column("path", "text", "path", "const struct path *file->f_path", nullable=True)
ROWS = {
    "comm": [b"cat", b"cat", b"wc", b"vi"],
    "path": [b"/etc/passwd", b"/tmp/a", b"/etc/passwd", b"/etc/group"],
    "ret": [10, 10, -2, 10],
}
NINE = "pid in (1, 3, 5, 7, 9, 11, 13, 15, 4000)"  # more alternatives than the kernel has room for


def bar(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Filter", exact=True)


def move(page: Page) -> Locator:
    return page.get_by_role("button", name="Apply in the kernel")


def add_probe(fake: FakeService, where: str | None = None) -> None:
    target = {"kind": "function", "name": "vfs_read"}
    fake.add_probe("reads", (PATH,), target=target, where=where)
    fake.tell_state("reads")


@pytest.fixture
def reads(page: Page, fake: FakeService) -> Page:
    """Four rows of a probe with a target."""
    add_probe(fake)
    fake.emit("reads", ROWS)
    expect_counts(page, "4", "4")
    fake.calls.clear()
    return page


def test_tests_move_into_the_filter_of_a_probe_and_back(
    reads: Page, fake: FakeService, results: Path
) -> None:
    fake.change_where("reads", "pid>1 or ret<0", "lab")
    expect(reads.locator(".chip--kernel")).to_have_count(1)
    bar(reads).fill("comm=cat path=/etc/* passwd")
    expect_counts(reads, "4", "1")
    move(reads).click()
    expect(bar(reads)).to_have_value("passwd")
    where = "(pid>1 or ret<0) and comm=cat and path=/etc/*"
    assert fake.calls == [("PATCH", "reads", {"where": where})]
    expect_chips(reads, f"{where} | in the kernel for everyone on reads", "passwd | in view")
    expect(move(reads)).to_be_hidden()
    expect(card(reads, "reads")).to_contain_text(where)
    told = reads.locator("#news")
    expect(told).to_contain_text(
        "Applied in the kernel for everyone: comm=cat and path=/etc/* on reads."
    )
    reads.screenshot(path=results / "moved.png")
    assert grave_faults(reads) == []
    told.get_by_role("button", name="Undo").click()
    expect(bar(reads)).to_have_value("comm=cat path=/etc/* passwd")
    expect(reads.locator(".chip--kernel .chip__text")).to_have_text("pid>1 or ret<0")
    assert fake.calls[-1] == ("PATCH", "reads", {"where": "pid>1 or ret<0"})
    expect(told.get_by_role("button", name="Undo")).to_have_count(0)


def test_what_the_kernel_has_no_room_for_stays_and_is_said(reads: Page, fake: FakeService) -> None:
    bar(reads).fill(f"comm=cat {NINE}")
    expect_counts(reads, "4", "1")
    move(reads).click()
    expect(bar(reads)).to_have_value(NINE)
    expect(reads.locator("#filter-line")).to_contain_text(
        f"reads does not test {NINE} in the kernel: it stays in view for it"
    )
    assert fake.calls == [
        ("PATCH", "reads", {"where": f"comm=cat and {NINE}"}),
        ("PATCH", "reads", {"where": "comm=cat"}),
    ]
    expect_chips(reads, "comm=cat | in the kernel for everyone on reads", f"{NINE} | in view")
    expect(move(reads)).to_be_hidden()  # not offered again
    expect_counts(reads, "4", "1")
    reads.locator("#news").get_by_role("button", name="Undo").click()
    expect(bar(reads)).to_have_value(f"comm=cat {NINE}")
    expect(reads.locator(".chip--kernel")).to_have_count(0)
    assert fake.calls[-1] == ("PATCH", "reads", {"where": None})


def test_undo_leaves_a_filter_that_has_changed_since(reads: Page, fake: FakeService) -> None:
    bar(reads).fill("comm=cat")
    move(reads).click()
    expect(bar(reads)).to_have_value("")
    fake.change_where("reads", "comm=wc", "lab")
    expect_chips(reads, "comm=wc | in the kernel for everyone on reads")
    bar(reads).fill("passwd")
    fake.calls.clear()
    moved = reads.locator("#news > *").filter(has_text="Applied in the kernel")
    moved.get_by_role("button", name="Undo").click()
    expect(bar(reads)).to_have_value("passwd and comm=cat")
    expect(reads.get_by_role("alert")).to_contain_text("The filter of reads was not changed")
    assert fake.calls == []


def test_deletions_and_another_probe_each_get_their_tests(reads: Page, fake: FakeService) -> None:
    fake.start("fexit")
    expect(card(reads, "fexit")).to_contain_text("running")
    fake.calls.clear()
    bar(reads).fill("comm=cat path=/etc/*")
    move(reads).click()
    expect(bar(reads)).to_have_value("path=/etc/*")
    assert sorted(fake.calls, key=str) == [
        ("PATCH", "fexit", {"filter": {"comm": "cat"}}),
        ("PATCH", "reads", {"where": "comm=cat and path=/etc/*"}),
    ]
    expect(reads.locator("#filter-line")).to_contain_text(
        "fexit does not test path=/etc/* in the kernel: it stays in view for it"
    )
    expect(reads.locator("#news")).to_contain_text(
        "comm=cat on fexit; comm=cat and path=/etc/* on reads."
    )
    reads.locator("#news").get_by_role("button", name="Undo").click()
    expect(bar(reads)).to_have_value("comm=cat path=/etc/*")
    expect(reads.locator(".chip--kernel")).to_have_count(0)
    assert sorted(fake.calls[2:], key=str) == [
        ("PATCH", "fexit", {"filter": {"comm": None}}),
        ("PATCH", "reads", {"where": None}),
    ]


def test_a_refused_change_is_told_and_the_tests_stay(reads: Page, fake: FakeService) -> None:
    bar(reads).fill("comm=cat")
    fake.next_problem = (502, {"detail": "the tracer did not answer", "code": "tracer_silent"})
    move(reads).click()
    expect(reads.get_by_role("alert")).to_contain_text("The filter of reads was not changed")
    expect(bar(reads)).to_have_value("comm=cat")
    expect_chips(reads, "comm=cat | in view")
    expect(reads.locator("#news").get_by_role("button", name="Undo")).to_have_count(0)


def test_a_viewer_cannot_move_tests(
    open_page: Callable[..., Page], server: Server, fake: FakeService
) -> None:
    fake.caller = {"name": "token v", "role": "viewer"}
    add_probe(fake, where="pid>1")
    page = open_page(server.url)
    fake.emit("reads", ROWS)
    expect_counts(page, "4", "4")
    bar(page).fill("comm=cat")
    expect(move(page)).to_be_visible()
    expect(move(page)).to_be_disabled()
    expect(move(page)).to_have_attribute("aria-describedby", "viewer-note")
    expect(page.get_by_role("button", name="Remove comm=cat, in view")).to_be_visible()
    expect(page.get_by_role("button", name="Remove pid>1, in the kernel")).to_have_count(0)
