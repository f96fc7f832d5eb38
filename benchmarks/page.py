# SPDX-License-Identifier: Apache-2.0
"""Measuring the page in Chromium: runs tests/browser/bench_page.py as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from app import ROOT


def measure(seconds: float) -> dict[str, Any]:
    """Return the figures by measurement; raises CalledProcessError."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.browser.bench_page", "--seconds", str(seconds)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names, joined by dots, and figures, as rows of a table. Pure."""
    flat: list[tuple[str, str]] = []
    for name, value in found.items():
        if isinstance(value, dict):
            flat += [(f"{name}.{inner}", text) for inner, text in lines(value)]
        else:
            flat.append((name, str(value)))
    return flat
