# SPDX-License-Identifier: Apache-2.0
"""The page in real Chromium: tests/browser/bench_page.py, run as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from app import ROOT


def measure(seconds: float) -> dict[str, Any]:
    """Its figures, by measurement. Raises CalledProcessError."""
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
    """What is measured, and the figure, for a table: names joined by dots. Pure."""
    flat: list[tuple[str, str]] = []
    for name, value in found.items():
        if isinstance(value, dict):
            flat += [(f"{name}.{inner}", text) for inner, text in lines(value)]
        else:
            flat.append((name, str(value)))
    return flat
