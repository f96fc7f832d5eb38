# SPDX-License-Identifier: Apache-2.0
"""How Chromium is found and started: for the tests, the benchmarks and the screenshots."""

from __future__ import annotations

import os
import shutil

FLAGS = [
    "--headless",
    "--no-sandbox",  # as root, Chromium refuses to start with its sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Only decides when to give up, as in tests/support/waiting.py: a busy machine loads a page late.
PATIENCE_MS = 120_000


def chromium_path() -> str:
    """Return the path of the distribution's Chromium, or PROBEDECK_CHROMIUM where it is set."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("PROBEDECK_CHROMIUM") or next(filter(None, map(shutil.which, names)), "")
    assert found, "no Chromium: install the package chromium, or set PROBEDECK_CHROMIUM"
    return found
