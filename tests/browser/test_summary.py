# SPDX-License-Identifier: Apache-2.0
"""The summary panel: numbers that stay right, charts and lists that narrow the filter."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.console_page import expect_counts
from tests.browser.fake_service import FakeService, Server, plausible

SECOND = 10**9
START = 1_795_341_600 * SECOND


def open_summary(page: Page) -> None:
    page.get_by_role("button", name="Summary", exact=True).click()
    expect(page.locator("#summary")).to_be_visible()


def expect_scope(page: Page, events: str) -> None:
    expect(page.locator(".summary__scope")).to_have_text(f"{events} shown")


def top_list(page: Page, title: str) -> Locator:
    return page.locator("section.figure").filter(
        has=page.get_by_role("heading", name=title, exact=True)
    )


def entries(page: Page, title: str) -> list[list[str]]:
    """Return the entries of a list: value, count and share of each."""
    found: list[list[str]] = (
        top_list(page, title)
        .locator(".toplist__only:visible")
        .evaluate_all("(all) => all.map((it) => [...it.children].map((part) => part.textContent))")
    )
    return found


def figure(page: Page, title: str) -> Locator:
    return page.locator("figure").filter(has=page.get_by_role("heading", name=title, exact=True))


def test_the_button_opens_it_and_the_address_remembers(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(35))
    expect_counts(page, "35", "35")
    button = page.get_by_role("button", name="Summary", exact=True)
    expect(page.locator("#summary")).to_be_hidden()
    assert page.locator(".summary__scope").text_content() == ""
    open_summary(page)
    expect(button).to_have_attribute("aria-pressed", "true")
    expect_scope(page, "35 events")
    expect(page).to_have_url(re.compile("#summary=1$"))
    page.reload()
    expect_scope(page, "35 events")
    page.locator("#summary").get_by_role("button", name="Close").click()
    expect(page.locator("#summary")).to_be_hidden()
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(page).not_to_have_url(re.compile("summary"))
    page.evaluate("location.hash = '#summary=1'")
    expect_scope(page, "35 events")


def test_before_the_first_event_there_is_nothing_to_show(page: Page, fake: FakeService) -> None:
    open_summary(page)
    expect_scope(page, "0 events")
    fake.start("fexit")
    expect(page.locator("#summary .figure")).not_to_have_count(0)
    expect(page.locator("#summary .figure:visible")).to_have_count(0)
    fake.emit("fexit", plausible(1))
    expect_scope(page, "1 event")
    expect(figure(page, "Events per second").locator("canvas")).to_be_visible()
    assert entries(page, "Process") == [["rm", "1", "100%"]]


def test_the_numbers_stay_right_while_events_stream(page: Page, fake: FakeService) -> None:
    open_summary(page)
    fake.start("fexit")
    for first in range(0, 21_000, 3000):
        fake.emit("fexit", plausible(3000, first))
        fake.gap("fexit", "kernel", 5)
    expect_scope(page, "21,000 events")
    assert entries(page, "Process") == [
        [name, "4,200", "20%"] for name in ("rm", "python3", "systemd-tmpfile", "git", "gcc")
    ]
    assert entries(page, "Error") == [["ENOENT", "3,000", "14%"]]
    expect(top_list(page, "Error")).to_contain_text("in 3,000 of 21,000 events (14%)")
    assert [entry[1:] for entry in entries(page, "User")] == [["14,000", "67%"], ["7,000", "33%"]]
    files = top_list(page, "File")
    expect(files).to_contain_text("21,000 distinct")
    expect(files).to_contain_text("20,990 others: 20,990 (>99.9%)")
    expect(figure(page, "Latency")).to_contain_text("21,000 values, 800 ns to 90.8 µs")
    latencies = plausible(21_000)["latency_ns"]
    shown = figure(page, "Latency").locator(".quantile").all_text_contents()
    numbers = {name: float(value) for name, value, _ in map(str.split, shown)}
    for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1)):
        exact = np.sort(latencies)[int(np.ceil(part * latencies.size)) - 1] / 1000
        assert numbers[name] == pytest.approx(exact, rel=0.02)


def test_cleared_rows_leave_the_numbers(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", {"comm": [b"first"] * 10, "filename": [b"/first"] * 10})
    open_summary(page)
    expect_scope(page, "10 events")
    page.get_by_role("button", name="Clear", exact=True).click()
    expect_scope(page, "0 events")
    fake.emit("fexit", {"comm": [b"second"] * 3})
    expect_scope(page, "3 events")
    assert entries(page, "Process") == [["second", "3", "100%"]]


def test_it_counts_what_the_filter_lets_through(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(7000))
    open_summary(page)
    expect_scope(page, "7,000 events")
    page.get_by_role("textbox", name="Filter User", exact=True).fill("1000")
    expect_scope(page, "2,334 events")
    assert [entry[1:] for entry in entries(page, "User")] == [["2,334", "100%"]]
    fake.emit("fexit", plausible(3000, 7000))
    expect_scope(page, "3,334 events")
    page.get_by_role("textbox", name="Filter User", exact=True).fill("")
    expect_scope(page, "10,000 events")


def test_a_click_on_an_entry_shows_only_these(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(100))
    open_summary(page)
    expect_scope(page, "100 events")
    top_list(page, "Process").get_by_role("button", name=re.compile("^python3")).click()
    expect_counts(page, "100", "20")
    expect_scope(page, "20 events")
    assert entries(page, "Process") == [["python3", "20", "100%"]]


def test_hostile_names_are_inert(page: Page, fake: FakeService) -> None:
    title = page.title()
    names = [b"<img src=x onerror=\"document.title='owned'\">", b"\x1b[31m\xe2\x80\xaered.exe", b""]
    fake.start("fexit")
    fake.emit("fexit", {"filename": names, "comm": names})
    open_summary(page)
    expect_scope(page, "3 events")
    assert sorted(name for name, *_ in entries(page, "File")) == sorted(
        ["", names[0].decode(), "\\e[31mU+202Ered.exe"]
    )
    assert page.locator("#summary img").count() == 0
    assert page.title() == title
    titles = page.locator("#summary [title]").evaluate_all("(all) => all.map((it) => it.title)")
    assert not [it for it in titles if "\x1b" in it or "\u202e" in it]


# A second panel with rows and a `narrow` of the test's own: what the charts ask for, exactly.
PANEL = """async ({ times, latencies, names }) => {
    const [{ EventStore }, { View }, { EVERYTHING }, { SummaryPanel }] = await Promise.all(
        ["data/store.js", "data/view.js", "filter/compile.js", "ui/summary/panel.js"]
            .map((path) => import(`/static/js/${path}`)));
    const aside = document.createElement("aside");
    const tools = document.createElement("div");
    aside.className = "side";
    aside.id = "second";
    aside.hidden = true;
    document.body.replaceChildren(tools, aside);
    const store = new EventStore(20000);
    const column = (name, type, unit = null) => ({ name, type, unit, title: name, help: "" });
    store.columns.describe([column("latency_ns", "uint64", "ns")]);
    const view = new View(store, EVERYTHING);
    store.append({ probe: "fexit", mode: "fexit", rows: times.length, columns: [
        { name: "time", type: "timestamp_ns", valid: null,
          values: BigInt64Array.from(times, BigInt) },
        { name: "process", type: "text", valid: null, text: (row) => names[row] },
        { name: "latency_ns", type: "uint64", valid: null,
          values: BigUint64Array.from(latencies, BigInt) },
    ] });
    view.advance();
    window.asked = [];
    const narrow = ({ name, operator, value }) =>
        window.asked.push(`${name} ${operator} ${typeof value} ${value}`);
    new SummaryPanel({ aside, tools, store, view, narrow,
        address: { get: () => "1", set: () => {}, onChange: () => {} } }).changed();
}"""


@pytest.fixture
def panel(page: Page) -> Page:
    """A panel over 100 events: one each second, latency 1000 to 1099 ns, by `a` and `b c`."""
    values = {
        "times": [str(START + n * SECOND + 1) for n in range(100)],
        "latencies": [str(1000 + n) for n in range(100)],
        "names": ["b c" if n % 4 == 0 else "a" for n in range(100)],
    }
    page.evaluate(PANEL, values)
    expect(page.locator("#second .summary__scope")).to_have_text("100 events shown")
    return page


def asked(page: Page) -> list[str]:
    found: list[str] = page.evaluate("window.asked.splice(0)")
    return found


def drag(page: Page, plot: Locator, begin: float, end: float) -> None:
    """From one part of the plot's width to another."""
    box = plot.locator(".u-over").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + begin * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + (begin + end) / 2 * box["width"], y, steps=3)
    page.mouse.move(box["x"] + end * box["width"], y, steps=3)
    page.mouse.up()


def test_entries_and_quantiles_ask_for_exact_values(panel: Page) -> None:
    only = top_list(panel, "process").get_by_role("button", name=re.compile("^b c"))
    only.click()
    only.click(modifiers=["Shift"])
    top_list(panel, "process").get_by_role("button", name="exclude a", exact=True).click()
    assert asked(panel) == ["process = string b c", "process != string b c", "process != string a"]
    figure(panel, "latency_ns").get_by_role("button", name=re.compile("^max")).click()
    assert asked(panel) == ["latency_ns >= bigint 1099"]


def test_a_dragged_range_of_time_asks_for_two_tests(panel: Page) -> None:
    plot = figure(panel, "Events per second").locator(".chart__plot")
    drag(panel, plot, 0.205, 0.505)
    assert asked(panel) == [
        f"time >= bigint {START + 20 * SECOND}",
        f"time < bigint {START + 51 * SECOND}",
    ]


def test_a_dragged_range_of_latency_takes_whole_bars(panel: Page) -> None:
    plot = figure(panel, "latency_ns").locator(".chart__plot")
    drag(panel, plot, 0.01, 0.1)
    low, high = asked(panel)
    assert low == "latency_ns >= bigint 936"
    assert high == "latency_ns < bigint 1024"


def test_a_range_is_chosen_by_keys_and_read_aloud(panel: Page) -> None:
    chart = figure(panel, "Events per second")
    chart.locator(".chart__plot").focus()
    panel.keyboard.press("ArrowLeft")
    spoken = chart.get_by_role("status")
    expect(spoken).to_have_text(re.compile(r"^\d\d:\d\d:39 to \d\d:\d\d:40: fexit 1/s$"))
    panel.keyboard.press("Shift+ArrowLeft")
    panel.keyboard.press("Shift+ArrowLeft")
    expect(spoken).to_have_text(re.compile(r"^\d\d:\d\d:37 to \d\d:\d\d:40: fexit 1/s$"))
    expect(chart.locator(".u-select")).to_be_visible()
    panel.keyboard.press("Escape")
    expect(spoken).to_have_text("")
    panel.keyboard.press("Home")
    panel.keyboard.press("Enter")
    assert asked(panel) == [f"time >= bigint {START}", f"time < bigint {START + SECOND}"]


def test_pointing_at_a_chart_tells_its_numbers(panel: Page) -> None:
    plot = figure(panel, "latency_ns").locator(".u-over")
    plot.hover(position={"x": 2, "y": 30})
    readout = figure(panel, "latency_ns").locator(".chart__readout")
    expect(readout).to_have_text("936 ns to 1.02 µs: 24 (24%)")


def test_charts_are_repainted_when_the_theme_changes(page: Page, fake: FakeService) -> None:
    fake.start("fexit")
    fake.emit("fexit", plausible(500))
    open_summary(page)
    expect_scope(page, "500 events")
    colours = """() => [...document.querySelectorAll("#summary canvas")].map((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const seen = new Map();
        for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3] < 255) continue;
            const colour = data.slice(i, i + 3).join();
            seen.set(colour, (seen.get(colour) ?? 0) + 1);
        }
        return [...seen].sort((a, b) => b[1] - a[1])[0][0];
    })"""
    page.emulate_media(color_scheme="light")
    light = page.evaluate(colours)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"(light) => ({colours})().every((it, i) => it !== light[i])", arg=light)


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_window(
    open_page: Callable[..., Page], server: Server, results: Path, scheme: str, width: int
) -> None:
    fake = server.fake
    viewport = {"width": width, "height": 1600}
    page = open_page(f"{server.url}#summary=1", viewport=viewport, color_scheme=scheme)
    fake.start("tracepoint")
    fake.start("fexit")
    total = 0
    for second in range(90):
        for probe, most in (("tracepoint", 60), ("fexit", 90)):
            rows = 3 + int(most * abs(np.sin(second / most)))
            fake.emit(probe, busy_second(second, rows))
            total += rows
    expect_scope(page, f"{total:,} events")
    page.screenshot(path=results / f"summary-{scheme}-{width}.png", full_page=True)
    overflow = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
    table = page.locator("#grid").bounding_box()
    assert table and table["height"] < 1600, "as tall as all its rows"


def busy_second(second: int, rows: int) -> dict[str, Any]:
    """Events of one second: few names often, many seldom; latencies of two kinds."""
    random = np.random.default_rng(second)
    rank = random.zipf(1.7, rows)
    slow = random.random(rows) < 0.1
    return {
        **plausible(rows, second * rows),
        "time": START + second * SECOND + np.sort(random.integers(0, SECOND, rows)),
        "filename": [b"/var/cache/build/stage-%d/object-%d.o" % (n % 7, n) for n in rank],
        "latency_ns": np.exp(random.normal(np.where(slow, 12, 8.5), 0.5)).astype(np.int64),
    }
