# SPDX-License-Identifier: Apache-2.0
"""Take the README's screenshots: python -m tools.screenshots PORT [--vm], with a service on PORT.

The deletions shown are made here, or with --vm inside the machine that `./run --vm` serves from:
what is shown really happened. Needs what `./test browser` needs.
"""

from __future__ import annotations

import subprocess
import sys

from playwright.sync_api import expect, sync_playwright

from app import ROOT
from tests.browser.chromium import FLAGS, chromium_path

PICTURES = ROOT / "docs/img"
RUN = ROOT / "run"
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


def main(port: str, *options: str) -> None:
    inside = [str(RUN), "--port", port, "--vm-exec"] if "--vm" in options else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(f"http://localhost:{port}/")
        page.get_by_role("button", name="Watch deletions").click()
        expect(page.get_by_text("running", exact=True)).to_be_visible(timeout=300_000)
        page.locator("#text-filter").fill("filename!~/run/* latency>1us")
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
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
