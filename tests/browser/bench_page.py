# SPDX-License-Identifier: Apache-2.0
"""Measure the page: python -m tests.browser.bench_page [--seconds S]. Prints JSON.

Rows come from the fake service, already encoded, over a real websocket to a real Chromium:
20,000 rows/s paced, then a million rows held (memory, filter, sort), then 300,000 rows/s offered.
What else the machine does counts too: `load` is its load average, and `main_thread_cpu` the
seconds of processor time that the page's main thread used in a second, regardless of other load.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright

from app import ROOT
from tests.browser.chromium import FLAGS, chromium_path
from tests.browser.console_page import expect_connected
from tests.browser.fake_service import FakeService, Server, plausible

CAPACITY = 1_000_000
BATCH_ROWS = 5_000
PATIENCE_MS = 600_000  # on a machine that has more to do, too

MEASURE = """() => {
    const measured = (window.measured = { frames_ms: [], tasks_ms: [] });
    window.observer?.disconnect();
    window.observer = new PerformanceObserver((list) =>
        measured.tasks_ms.push(...list.getEntries().map(({ duration }) => duration)));
    window.observer.observe({ type: "longtask" });
    let last = performance.now();
    (function tick(now) {
        if (window.measured !== measured) return;
        measured.frames_ms.push(now - last);
        last = now;
        requestAnimationFrame(tick);
    })(last);
}"""
MEASURED = """() => {
    const sorted = window.measured.frames_ms.slice(2).sort((a, b) => a - b);
    const total = sorted.reduce((a, b) => a + b, 0);
    const round = (ms) => Math.round(10 * ms) / 10;
    return {
        frames_per_second: round((1000 * sorted.length) / total),
        median_ms: round(sorted[sorted.length >> 1]),
        p99_ms: round(sorted[Math.floor(sorted.length * 0.99)]),
        longest_ms: round(sorted.at(-1)),
        over_100_ms: sorted.filter((ms) => ms > 100).length,
        longest_task_ms: round(Math.max(0, ...window.measured.tasks_ms)),
    };
}"""
# Milliseconds until a counter of the status bar shows a text, asked for frame by frame.
UNTIL = """([act, selector, text]) => new Promise((resolve) => {
    const start = performance.now();
    (0, eval)(act);
    (function look() {
        if (document.querySelector(selector)?.textContent === text)
            resolve(Math.round(performance.now() - start));
        else requestAnimationFrame(look);
    })();
})"""

CLICK_TITLE = """[...document.querySelectorAll(".heading__title")]
    .find((it) => it.textContent === {!r}).click()"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the page.")
    parser.add_argument("--seconds", type=float, default=12, help="for each stream")
    parser.add_argument("--only", help="one measurement, by its name")
    options = parser.parse_args()
    seconds = options.seconds
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    figures: dict[str, Any] = {"cpus": os.cpu_count()}
    with Server(FakeService(), str(ROOT)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(server.url)
        expect_connected(page)
        server.fake.start("tracepoint")
        pid = renderer(browser, page)
        for name, measure in {
            "paced_20000": lambda: paced(page, server.fake, int(20_000 * seconds)),
            "million": lambda: million(page, server.fake),
            "paced_20000_at_a_million": lambda: paced(page, server.fake, int(20_000 * seconds)),
            "offered_300000": lambda: offered(page, server.fake, seconds),
        }.items():
            if options.only not in (None, name):
                continue
            begin, cpu_s = time.monotonic(), main_thread_s(pid)
            figures[name] = {"load": round(os.getloadavg()[0], 1), **measure()}
            used = (main_thread_s(pid) - cpu_s) / (time.monotonic() - begin)
            figures[name]["main_thread_cpu"] = round(used, 2)
            figures[name]["renderer_private_mb"] = private_mb(pid)
            sys.stderr.write(f"{name}: {json.dumps(figures[name])}\n")
        browser.close()
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


def renderer(browser: Browser, page: Page) -> int:
    """The process that runs the page's scripts: the one that works while the page does."""
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    pids = [int(it["id"]) for it in found if it["type"] == "renderer"]
    before = {pid: main_thread_s(pid) for pid in pids}
    page.evaluate("for (const end = performance.now() + 500; performance.now() < end; );")
    return max(pids, key=lambda pid: main_thread_s(pid) - before[pid])


def main_thread_s(pid: int) -> float:
    """Processor time of a process's first thread, proc(5)."""
    fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def private_mb(pid: int) -> int:
    """Memory of the process that no other shares: all of the page's, and the browser's code."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return round(sum(int(it.split()[1]) for it in lines if it.startswith("Private_")) / 1024)


def batches(fake: FakeService, rows: int, first: int = 0) -> list[bytes]:
    """Encoded batches of rows with names of their own, as the probe would send them next."""
    return [
        fake.encoded("tracepoint", plausible(BATCH_ROWS, first + done))
        for done in range(0, rows, BATCH_ROWS)
    ]


def send(fake: FakeService, made: list[bytes], rows_per_second: float | None = None) -> float:
    """Send the batches, paced; returns the seconds it took."""
    begin = time.monotonic()
    for count, batch in enumerate(made, 1):
        fake.send(batch)
        if rows_per_second:
            ahead = count * BATCH_ROWS / rows_per_second - (time.monotonic() - begin)
            time.sleep(max(0, ahead))
    return time.monotonic() - begin


def received(page: Page) -> int:
    return int((page.locator("#count-received").text_content() or "").replace(",", ""))


def wait_for(page: Page, rows: int) -> None:
    """Until that many were received, or told to be left out, in all."""
    page.wait_for_function(
        """(rows) => {
            const count = (id) => Number((document.getElementById(id)?.textContent ?? "")
                .replace(/[^0-9]/g, ""));
            return count("count-received") + count("losses-total") >= rows;
        }""",
        arg=rows,
    )


def paced(page: Page, fake: FakeService, rows: int) -> dict[str, Any]:
    """20,000 rows a second in batches of 1,000, as a tracer would send them."""
    before = received(page)
    made = [fake.encoded("tracepoint", plausible(1000, before + at)) for at in range(0, rows, 1000)]
    page.evaluate(MEASURE)
    begin = time.monotonic()
    for count, batch in enumerate(made, 1):
        fake.send(batch)
        time.sleep(max(0, count / 20 - (time.monotonic() - begin)))
    wait_for(page, before + rows)
    return {"rows": rows, **page.evaluate(MEASURED)}


def million(page: Page, fake: FakeService) -> dict[str, Any]:
    """A million rows held: memory, the time of a filter and of sorts, the longest frames."""
    before = received(page)
    rows = CAPACITY - before
    send(fake, batches(fake, rows, before), 100_000)
    wait_for(page, CAPACITY)
    figures: dict[str, Any] = {"memory_mb": memory_mb(page)}
    page.evaluate(MEASURE)
    fill = "document.getElementById('text-filter').value = {!r};" + (
        "document.getElementById('text-filter').dispatchEvent(new Event('input'))"
    )
    figures["filter_one_of_a_million_ms"] = page.evaluate(
        UNTIL, [fill.format(f"file-{CAPACITY - 1}.o"), "#count-shown", "1"]
    )
    figures["filter_cleared_ms"] = page.evaluate(
        UNTIL, [fill.format(""), "#count-shown", f"{CAPACITY:,}"]
    )
    figures["filter_frames"] = page.evaluate(MEASURED)
    for title in ("Latency", "Process", "File"):
        page.evaluate(MEASURE)
        figures[f"sort_{title.lower()}_ms"] = page.evaluate(
            UNTIL, [CLICK_TITLE.format(title), "#newest", f"Sorted by {title}"]
        )
        figures[f"sort_{title.lower()}_frames"] = page.evaluate(MEASURED)
        page.locator("#newest").click()
        expect(page.locator("#newest")).to_be_hidden()
    return figures


def offered(page: Page, fake: FakeService, seconds: float) -> dict[str, Any]:
    """300,000 rows a second: what the page takes, and that it says what it leaves out."""
    before = received(page)
    rows = int(300_000 * seconds) // BATCH_ROWS * BATCH_ROWS
    made = batches(fake, rows, before)
    page.evaluate(MEASURE)
    taken = send(fake, made, 300_000)
    # The page answers while they come: the pause button is pressed and released.
    pause = "document.getElementById('pause').click()"
    while_streaming = page.evaluate(UNTIL, [pause, "#pause", "Resume"])
    page.locator("#pause").click()
    wait_for(page, before + rows)
    lost = re.sub(r"\D", "", page.locator("#losses-total").text_content() or "")
    return {
        "rows": rows,
        "offered_per_second": round(rows / taken),
        "left_out_and_shown": int(lost or 0),
        "pause_pressed_ms": while_streaming,
        "memory_mb": memory_mb(page),
        **page.evaluate(MEASURED),
    }


def memory_mb(page: Page) -> dict[str, int]:
    """What the page's scripts hold after a collection: the heap, and typed arrays beside it."""
    session: CDPSession = page.context.new_cdp_session(page)
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    session.detach()
    heap = usage["usedSize"]
    arrays = usage.get("backingStorageSize", 0)
    return {
        "heap": round(heap / 1e6),
        "arrays": round(arrays / 1e6),
        "total": round((heap + arrays) / 1e6),
    }


if __name__ == "__main__":
    main()
