# SPDX-License-Identifier: Apache-2.0
"""The tests of the page's modules, under Node's test runner."""

from __future__ import annotations

import re
import subprocess

from app import ROOT
from tests.runner.junit import Count
from tests.runner.processes import PART_TIMEOUT_S, say
from tests.runner.results import confirmed


def run() -> Count:
    """Run the tests of the page's modules under Node's test runner."""
    files = sorted(str(path) for path in (ROOT / "tests/unit/js").glob("*.test.*js"))
    try:
        done = subprocess.run(
            ["node", "--test", "--test-reporter=tap", *files],
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            timeout=PART_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return Count(failures=[str(error)])
    count = count_tap(done.stdout)
    if done.returncode != 0 or count.failures:
        say(done.stdout + done.stderr)
    else:
        say(f"node --test: {count.passed} passed")
    return confirmed(count, done.returncode)


def count_tap(report: str) -> Count:
    """Count the tests from the totals at the end of a TAP report of Node."""
    totals = {name: int(n) for name, n in re.findall(r"^# (\w+) (\d+)$", report, re.MULTILINE)}
    failed = totals.get("fail", 0) + totals.get("cancelled", 0)
    count = Count(totals.get("pass", 0), ["node --test"] * failed)
    count.skips = ["node --test"] * (totals.get("skipped", 0) + totals.get("todo", 0))
    if not totals.get("tests"):
        count.failures.append("node ran no test")
    return count
