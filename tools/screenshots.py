# SPDX-License-Identifier: Apache-2.0
"""Take the README's screenshots, with a service on PORT:

    python -m tools.screenshots PORT [--vm]               of deletions
    python -m tools.screenshots PORT [--vm] --functions   of a function's probe, and its form

The events shown are made here, or with --vm inside the machine that `./run --vm` serves from:
what is shown really happened. Needs what `./test browser` needs.
"""

from __future__ import annotations

import subprocess
import sys

from playwright.sync_api import Page, expect, sync_playwright

from app import ROOT
from tests.browser.chromium import FLAGS, chromium_path

PICTURES = ROOT / "docs/img"
START_TIMEOUT_MS = 300_000  # deletions may have to be compiled, in the machine under emulation
ROUNDS = 8
DELETIONS = """
mkdir -p /tmp/build/cache && cd /tmp/build
for i in 1 2 3 4 5 6 7 8; do touch main-$i.o cache/part-$i.tmp; done
rm main-1.o main-2.o main-3.o
rm missing.log
find cache -name 'part-*' -delete
rm -f /proc/version
sh -c 'cd /tmp/build && rm main-4.o main-5.o'
unlink main-6.o
rm cache
rm -r /tmp/build
"""
READS = """
mkdir -p /tmp/build && cd /tmp/build && seq 40000 > numbers
cd /usr/share && cat ../../tmp/build/numbers ../../etc/passwd > /dev/null
wc -l /proc/mounts /proc/self/status common-licenses/GPL-3
sort /etc/services > /dev/null
rm -r /tmp/build
"""


def main(port: str, *options: str) -> None:
    # The machine answers to the command line that booted it: that of this Python.
    machine = [sys.executable, "-m", "app", "--port", port, "--vm-exec"]
    inside = machine if "--vm" in options else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(f"http://localhost:{port}/")
        if "--functions" in options:
            show_function(page, inside)
        else:
            show_deletions(page, inside)
        browser.close()


def show_deletions(page: Page, inside: list[str]) -> None:
    page.get_by_role("button", name="Watch deletions").click()
    expect(page.get_by_text("running", exact=True)).to_be_visible(timeout=START_TIMEOUT_MS)
    page.locator("#text-filter").fill("comm in (rm, find, unlink) latency>1us")
    page.get_by_role("button", name="Summary").click()
    for _ in range(ROUNDS):
        # Some of the deletions fail, and are meant to.
        subprocess.run([*inside, "sh", "-c", DELETIONS], check=False)
    page.wait_for_timeout(3000)  # for the last of them to be drawn
    page.screenshot(path=PICTURES / "console.png")
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Close", exact=True).click()
    page.locator("#grid").focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_timeout(1000)
    page.screenshot(path=PICTURES / "detail.png")


def show_function(page: Page, inside: list[str]) -> None:
    page.get_by_role("button", name="Trace a function…").click()
    form = page.get_by_role("dialog", name="Trace a function")
    form.get_by_label("Columns").fill("path(file)\ncount")
    form.get_by_label("Where").fill("comm in (cat, wc, sort) ret>0")
    form.get_by_label("Name of the probe").fill("reads")
    name = form.get_by_label("Name", exact=True)
    name.press_sequentially("vfs_read")
    expect(form).to_contain_text("ssize_t vfs_read(", timeout=60_000)
    page.wait_for_timeout(1000)  # for the suggestions
    page.screenshot(path=PICTURES / "trace.png")
    name.press("Tab")
    form.get_by_role("button", name="Start").click()
    expect(form).to_be_hidden(timeout=START_TIMEOUT_MS)
    subprocess.run([*inside, "sh", "-c", READS], check=True)
    page.wait_for_timeout(5000)  # for the last of them to be drawn
    page.screenshot(path=PICTURES / "reads.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
