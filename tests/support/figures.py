# SPDX-License-Identifier: Apache-2.0
"""Figures measured while tests run, shown at the end of the report
(`tests/conftest.py`), because pytest drops the output of tests that pass."""

from __future__ import annotations

_figures: list[tuple[str, str]] = []


def figure(name: str, value: str) -> None:
    """Record a figure for the report."""
    _figures.append((name, value))


def lines() -> list[str]:
    """Return the figures, one a line; a repeated name (of a table) is printed once."""
    shown, before = [], None
    for name, value in _figures:
        shown.append(f"{'' if name == before else name + ': '}{value}")
        before = name
    return shown
