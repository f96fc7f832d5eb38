# SPDX-License-Identifier: Apache-2.0
"""The page under 20,000 events a second. What it measures is printed, not asserted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.console_page import expect_counts, filter_box, rows
from tests.browser.fake_service import FakeService

ROWS_PER_SECOND = 20_000
ROWS = 240_000

START_MEASURING = """() => {
    const frames = (window.frames_ms = []);
    let most = 0;
    let last = performance.now();
    (function tick(now) {
        frames.push(now - last);
        last = now;
        most = Math.max(most, document.getElementsByClassName("row").length);
        window.most_rows = most;
        requestAnimationFrame(tick);
    })(last);
}"""
MEASURED = """() => {
    const sorted = window.frames_ms.slice(1).sort((a, b) => a - b);
    const total = sorted.reduce((a, b) => a + b, 0);
    return {
        frames: sorted.length,
        frames_per_second: Math.round((1000 * sorted.length) / total),
        median_ms: sorted[sorted.length >> 1],
        p99_ms: sorted[Math.floor(sorted.length * 0.99)],
        longest_ms: sorted.at(-1),
        most_row_elements: window.most_rows,
    };
}"""


def test_20000_events_a_second(page: Page, fake: FakeService, results: Path) -> None:
    fake.start("tracepoint")
    page.evaluate(START_MEASURING)
    fake.stream("tracepoint", ROWS_PER_SECOND, ROWS)
    expect_counts(page, f"{ROWS:,}", f"{ROWS:,}")
    measured = page.evaluate(MEASURED)
    sys.stdout.write(f"\n{ROWS:,} rows at {ROWS_PER_SECOND:,}/s: {json.dumps(measured)}\n")
    (results / "throughput.json").write_text(json.dumps(measured, indent=1))
    in_sight = page.evaluate("document.getElementById('grid').clientHeight / 28")
    assert measured["most_row_elements"] < in_sight + 30
    assert rows(page)[-1]["File"].endswith(f"/file-{ROWS - 1}.o")
    expect(page.locator("#count-held")).to_have_text(f"{ROWS:,}")
    filter_box(page, "File").fill(f"file-{ROWS - 1}.o")
    expect(page.locator("#count-shown")).to_have_text("1")
