# SPDX-License-Identifier: Apache-2.0
"""Probes of any function on the page: their cards and columns, and the form that starts one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from app.columns.column import Column
from tests.browser.axe import grave_faults
from tests.browser.console_page import card, expect_counts, filter_box, rows
from tests.browser.exported import TYPED, export, read_csv, read_ndjson
from tests.browser.fake_service import FakeService, Server

WINDOWS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 740}},
}
COLUMNS = (
    Column("path", "text", "path", "const struct path *file->f_path", nullable=True),
    Column("count", "uint64", "count", "size_t count"),
    Column("flags", "uint32", "flags", "unsigned int file->f_flags", render="hex"),
    Column("kind", "int32", "kind", "enum rw", names="enum rw", render="name", nullable=True),
    Column("sync", "bool", "sync", "bool sync", nullable=True),
)
NAMES = {
    "enum rw": [
        {"value": 0, "name": "RW_READ", "aliases": [], "meaning": ""},
        {"value": 1, "name": "RW_WRITE", "aliases": [], "meaning": ""},
    ]
}
ROWS: dict[str, list[Any]] = {
    "path": [b"/etc/passwd", b"/tmp/a", None],
    "count": [4096, 2**64 - 1, 0],
    "flags": [0x8000, 0, 2**32 - 1],
    "kind": [0, 1, 7],
    "sync": [True, False, None],
    "ret": [4096, -2, 0],
    "errno": [None, b"ENOENT", None],
}


def read_probe(fake: FakeService, **members: Any) -> None:
    fake.add_probe(
        "reads",
        COLUMNS,
        target={"kind": "function", "name": "vfs_read"},
        names=NAMES,
        **members,
    )
    fake.tell_state("reads")


@pytest.fixture
def reads(page: Page, fake: FakeService) -> Page:
    """The page with three rows of a probe of vfs_read."""
    read_probe(fake)
    fake.emit("reads", ROWS)
    expect_counts(page, "3", "3")
    return page


def cells(page: Page, title: str) -> list[str]:
    return [row[title] for row in rows(page)]


def test_each_type_is_shown(reads: Page) -> None:
    assert cells(reads, "path") == ["/etc/passwd", "/tmp/a", "∅"]
    assert cells(reads, "count") == ["4,096", "18,446,744,073,709,551,615", "0"]
    assert cells(reads, "flags") == ["0x8000", "0x0", "0xffffffff"]
    assert cells(reads, "kind") == ["RW_READ", "RW_WRITE", "7"]
    assert cells(reads, "sync") == ["true", "false", "∅"]


@pytest.mark.parametrize(
    ("title", "typed", "shown"),
    [
        ("sync", "true", ["true"]),
        ("sync", "!=true", ["false", "∅"]),
        ("flags", "0x8000", ["0x8000"]),
        ("flags", "32768", ["0x8000"]),
        ("flags", ">0xffff", ["0xffffffff"]),
        ("kind", "rw_write", ["RW_WRITE"]),
        ("kind", "7", ["7"]),
        ("count", "0x1000", ["4,096"]),
    ],
)
def test_each_type_is_filtered(reads: Page, title: str, typed: str, shown: list[str]) -> None:
    filter_box(reads, title).fill(typed)
    expect_counts(reads, "3", str(len(shown)))
    assert cells(reads, title) == shown


def test_sorts_truth_values(reads: Page) -> None:
    heading = reads.get_by_role("columnheader", name="sync").get_by_role("button")
    heading.click()
    expect(reads.get_by_role("columnheader", name="sync")).to_have_attribute(
        "aria-sort", "ascending"
    )
    first = reads.locator('.table__body .row[aria-rowindex="3"]')  # after titles and boxes
    expect(first).to_contain_text("RW_WRITE")
    assert cells(reads, "sync") == ["false", "true", "∅"]


def test_exports_each_type(reads: Page, tmp_path: Path) -> None:
    truths, names = [True, False, None], [0, 1, 7]
    flags = ROWS["flags"]
    text = read_csv(export(reads, "CSV", "held", tmp_path))
    assert [row["sync"] for row in text] == ["true", "false", ""]
    assert [row["flags"] for row in text] == [str(value) for value in flags]
    stream = read_ndjson(export(reads, "NDJSON", "held", tmp_path))
    assert [row["sync"] for row in stream] == truths
    for title, read in TYPED.items():
        types, table = read(export(reads, title, "held", tmp_path))
        assert (types["sync"], types["kind"], types["flags"]) == ("bool", "int32", "uint32")
        assert [row["sync"] for row in table] == truths
        assert [row["kind"] for row in table] == names
        assert [row["flags"] for row in table] == flags


def test_columns_of_one_name_are_told_apart(reads: Page, fake: FakeService) -> None:
    """Deletions have flags too, as text."""
    fake.start("tracepoint")
    fake.emit("tracepoint", {"flags": [b"AT_REMOVEDIR"], "comm": [b"rmdir"]})
    expect_counts(reads, "4", "4")
    expect(reads.get_by_role("columnheader", name="flags (uint32)")).to_be_visible()
    reads.locator("#text-filter").fill("flags=0x8000 or flags=AT_REMOVEDIR")
    reads.keyboard.press("Escape")
    expect_counts(reads, "4", "2")


def test_card_of_a_probe_of_its_own_name(reads: Page, fake: FakeService) -> None:
    own = card(reads, "reads")
    expect(own).to_contain_text("vfs_read, fexit")
    expect(own).to_contain_text("path, count, flags, kind, sync, ret, errno, latency_ns")
    expect(reads.locator(".card").first).to_contain_text("reads")
    assert own.get_attribute("class").split()[1] != "hue-undefined"  # type: ignore[union-attr]
    fake.change_where("reads", "ret<0", "lab")
    expect(own).to_contain_text("where ret<0")
    own.get_by_role("button", name="Stop reads for everyone").click()
    expect(own).to_have_count(0)
    expect_counts(reads, "3", "3")  # its rows stay


def test_what_the_kernel_does_not_test_is_tested_here(reads: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", {"comm": [b"rmdir"]})
    expect_counts(reads, "4", "4")
    fake.change_where("reads", "path~*passwd", "lab")
    expect_counts(reads, "4", "2")  # the rows of other probes stay
    chip = reads.locator(".chip--kernel")
    expect(chip).to_contain_text("path~*passwd")
    expect(chip).to_contain_text("partly in the kernel for everyone on reads")
    chip.get_by_role("button").click()
    expect(chip).to_have_count(0)
    expect_counts(reads, "4", "4")
    assert fake.calls[-1] == ("PATCH", "reads", {"where": None})


def test_a_probe_comes_and_goes_while_the_page_is_open(page: Page, fake: FakeService) -> None:
    read_probe(fake)
    expect(card(page, "reads")).to_be_visible()
    fake.forget("reads")
    expect(card(page, "reads")).to_have_count(0)
    expect(page.locator(".card")).to_have_count(5)


def test_probes_forgotten_while_the_connection_was_lost(page: Page, fake: FakeService) -> None:
    read_probe(fake)
    expect(card(page, "reads")).to_be_visible()
    del fake.probes["reads"]
    fake.disconnect()
    expect(card(page, "reads")).to_have_count(0)


def test_deletions_can_be_watched_beside_another_probe(page: Page, fake: FakeService) -> None:
    read_probe(fake)
    page.get_by_role("button", name="Watch deletions", exact=True).click()
    expect(card(page, "fexit")).to_contain_text("running")
    page.get_by_role("button", name="Stop watching deletions for everyone").click()
    expect(card(page, "fexit")).to_contain_text("stopped")
    assert fake.probes["reads"].record["state"] == "running"


def test_running_card_keeps_its_layout(open_page: Callable[..., Page], server: Server) -> None:
    """Its buttons are in one line, at each width of a card."""
    page = open_page(server.url)
    server.fake.start("fexit")
    for width in (1440, 1100, 760):
        page.set_viewport_size({"width": width, "height": 900})
        buttons = card(page, "fexit").locator(".card__actions .button")
        expect(buttons).to_have_count(3)
        tops = buttons.evaluate_all(
            "(buttons) => buttons.map((button) => button.getBoundingClientRect().top)"
        )
        assert len(set(tops)) == 1, width
        expect(card(page, "fexit").get_by_text("for everyone")).to_be_visible()


# The form


@pytest.fixture
def form(page: Page) -> Locator:
    page.get_by_role("button", name="Trace a function…").click()
    return page.get_by_role("dialog", name="Trace a function")


def sent(fake: FakeService) -> list[tuple[str, str, Any]]:
    return [call for call in fake.calls if call[1] != "functions"]


def test_starts_a_probe_by_keyboard(page: Page, form: Locator, fake: FakeService) -> None:
    name = form.get_by_label("Name", exact=True)
    expect(name).to_be_focused()
    name.press_sequentially("vfs_re")
    expect(form.locator(".completion")).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(name).to_have_value("vfs_read")
    expect(form).to_contain_text("ssize_t vfs_read(struct file *file")
    expect(form.get_by_label("Name of the probe")).to_have_value("vfs_read")
    page.keyboard.press("Enter")
    expect(form).to_be_hidden()
    assert sent(fake) == [("POST", "vfs_read", {"function": "vfs_read"})]
    expect(card(page, "vfs_read")).to_contain_text("vfs_read, fexit")
    fake.emit("vfs_read", {"file": [1], "count": [2]})
    expect_counts(page, "1", "1")


def test_sends_every_field(page: Page, form: Locator, fake: FakeService) -> None:
    form.get_by_label("Name", exact=True).fill("vfs_read")
    form.get_by_label("Columns").fill("path(file)\n\n  count \n")
    form.get_by_label("Where").fill("ret<0")
    form.get_by_label("Stop automatically").fill("60")
    form.get_by_label("Name of the probe").fill("reads")
    form.get_by_label("Mode").select_option("kretprobe")
    form.get_by_role("button", name="Start").click()
    expect(form).to_be_hidden()
    body = {
        "function": "vfs_read",
        "mode": "kretprobe",
        "columns": ["path(file)", "count"],
        "where": "ret<0",
        "duration_s": 60,
    }
    assert sent(fake) == [("POST", "reads", body)]
    expect(card(page, "reads")).to_contain_text("where ret<0")


def test_starts_a_preset(page: Page, form: Locator, fake: FakeService) -> None:
    kind = form.get_by_label("What to trace")
    kind.focus()
    kind.select_option(label="Preset")
    name = form.get_by_label("Name", exact=True)
    expect(name).to_have_attribute("placeholder", "opens")
    page.keyboard.press("Tab")
    expect(name).to_be_focused()
    expect(form.locator(".completion")).to_have_count(2)  # all, as they are few
    name.press_sequentially("file")  # in the title
    expect(form.locator(".completion")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(name).to_have_value("opens")
    expect(form).to_contain_text("Files opened. Calls that open files")
    expect(form).to_contain_text("kprobe It has no symbol.")
    form.get_by_role("button", name="Start").click()
    expect(form).to_be_hidden()
    assert sent(fake) == [("POST", "opens", {"preset": "opens"})]


@pytest.mark.parametrize(
    ("kind", "name"), [("System call", "read"), ("Tracepoint", "sched:sched_switch")]
)
def test_traces_other_kinds(form: Locator, fake: FakeService, kind: str, name: str) -> None:
    form.get_by_label("What to trace").select_option(label=kind)
    form.get_by_label("Name", exact=True).fill(name)
    form.get_by_role("button", name="Start").click()
    expect(form).to_be_hidden()
    key = {"System call": "syscall", "Tracepoint": "tracepoint"}[kind]
    assert sent(fake) == [("POST", name.replace(":", "-"), {key: name})]


def test_says_why_a_mode_is_not_available(page: Page, form: Locator) -> None:
    form.get_by_label("Name", exact=True).press_sequentially("_printk")
    expect(form).to_contain_text("fexit It takes a variable number of arguments.")
    assert form.locator("option[value=fexit]").is_disabled()
    assert not form.locator("option[value=kprobe]").is_disabled()


def test_offers_what_to_trace_instead(page: Page, form: Locator) -> None:
    form.get_by_label("Name", exact=True).press_sequentially("inlined_read")
    form.get_by_role("button", name="Use read").click()
    expect(form.get_by_label("What to trace")).to_have_value("syscall")
    expect(form.get_by_label("Name", exact=True)).to_have_value("read")
    expect(form.get_by_label("Name of the probe")).to_have_value("read")


def test_errors_stand_at_their_fields(page: Page, form: Locator, fake: FakeService) -> None:
    fake.next_problem = (
        422,
        {
            "code": "invalid",
            "detail": "…",
            "errors": [
                {"field": "function", "message": "no vfs_raed", "near": ["vfs_read"]},
                {
                    "field": "columns.1",
                    "message": "struct file has no f_flag",
                    "position": 4,
                    "near": ["f_flags"],
                },
                {"field": "where", "message": "no column rat", "near": ["ret"], "position": 0},
            ],
        },
    )
    name = form.get_by_label("Name", exact=True)
    name.fill("vfs_raed")
    form.get_by_label("Columns").fill("count\n\nfile->f_flag & 3")
    form.get_by_label("Where").fill("rat<0")
    form.get_by_role("button", name="Start").click()
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description("No vfs_raed.")
    expect(form.locator("#trace-columns-fault")).to_have_text("Line 3: struct file has no f_flag.")
    form.get_by_role("button", name="Use f_flags").click()
    expect(form.get_by_label("Columns")).to_have_value("count\n\nfile->f_flags & 3")
    form.get_by_role("button", name="Use ret").click()
    expect(form.get_by_label("Where")).to_have_value("ret<0")
    form.get_by_role("button", name="Use vfs_read").click()
    expect(name).to_have_value("vfs_read")
    expect(form.locator("[aria-invalid=true]")).to_have_count(0)


def test_an_error_of_no_field_is_told(form: Locator, fake: FakeService) -> None:
    fake.next_problem = (504, {"code": "start_timeout", "detail": "not attached in time"})
    form.get_by_label("Name", exact=True).fill("vfs_read")
    form.get_by_role("button", name="Start").click()
    expect(form.get_by_role("alert")).to_have_text("Not attached in time.")


def test_a_name_in_use_is_one_click_from_a_free_one(
    page: Page, form: Locator, fake: FakeService
) -> None:
    fake.next_problem = (409, {"code": "running_differently", "detail": "reads runs"})
    form.get_by_label("Name", exact=True).fill("vfs_read")
    form.get_by_label("Name of the probe").fill("reads")
    form.get_by_role("button", name="Start").click()
    form.get_by_role("button", name="Use reads-2").click()
    expect(form.get_by_label("Name of the probe")).to_have_value("reads-2")


def test_faults_are_found_before_anything_is_sent(form: Locator, fake: FakeService) -> None:
    form.get_by_label("Stop automatically").fill("soon")
    form.get_by_label("Name of the probe").fill("No Spaces")
    form.get_by_role("button", name="Start").click()
    expect(form.locator("[aria-invalid=true]")).to_have_count(3)
    assert sent(fake) == []


def test_works_without_the_list_of_functions(page: Page, fake: FakeService) -> None:
    fake.functions = None
    page.get_by_role("button", name="Trace any function…").click()
    form = page.get_by_role("dialog", name="Trace a function")
    form.get_by_label("Name", exact=True).press_sequentially("vfs_read")
    expect(form).to_contain_text("No suggestions: There is no /functions.")
    form.get_by_role("button", name="Start").click()
    expect(form).to_be_hidden()
    expect(card(page, "vfs_read")).to_contain_text("running")


def test_a_failed_probe_starts_again_as_it_was(
    page: Page, form: Locator, fake: FakeService
) -> None:
    form.get_by_label("Name", exact=True).fill("vfs_read")
    form.get_by_label("Columns").fill("count")
    form.get_by_role("button", name="Start").click()
    expect(card(page, "vfs_read")).to_contain_text("running")
    fake.fail("vfs_read", "the tracer was killed")
    card(page, "vfs_read").get_by_role("button", name="Start vfs_read").click()
    expect(form.get_by_label("Columns")).to_have_value("count")
    form.get_by_role("button", name="Start").click()
    body = {"function": "vfs_read", "columns": ["count"]}
    expect(card(page, "vfs_read")).to_contain_text("running")
    again = {**body, "mode": "fexit"}  # as the service described the probe
    assert sent(fake) == [("POST", "vfs_read", body), ("POST", "vfs_read", again)]


def test_a_viewer_cannot_start_one(
    open_page: Callable[..., Page], server: Server, fake: FakeService
) -> None:
    fake.caller = {"name": "token v", "role": "viewer"}
    page = open_page(server.url)
    expect(page.get_by_role("button", name="Trace a function…")).to_be_disabled()
    expect(page.get_by_role("button", name="Trace any function…")).to_be_disabled()


@pytest.mark.parametrize("window", WINDOWS)
def test_no_grave_fault_in_the_form(
    open_page: Callable[..., Page], server: Server, window: str, results: Path
) -> None:
    page = open_page(server.url, **WINDOWS[window])
    read_probe(server.fake, where="latency>1ms")
    server.fake.start("fexit")
    server.fake.emit("reads", ROWS)
    expect_counts(page, "3", "3")
    page.screenshot(path=results / f"any-probe-{window}.png")
    page.get_by_role("button", name="Trace a function…").click()
    form = page.get_by_role("dialog", name="Trace a function")
    form.get_by_label("Name", exact=True).press_sequentially("vfs")
    expect(form.locator(".completion")).to_have_count(2)
    page.screenshot(path=results / f"trace-names-{window}.png")
    assert grave_faults(page) == []
    form.get_by_label("Name", exact=True).fill("_printk")
    expect(form).to_contain_text("fexit It takes")
    form.get_by_label("Stop automatically").fill("soon")
    form.get_by_role("button", name="Start").click()
    page.screenshot(path=results / f"trace-{window}.png")
    assert grave_faults(page) == []
