# SPDX-License-Identifier: Apache-2.0
"""Figures of what was promised: collected while tests run, and shown at the end of the report
(`tests/conftest.py`), where they are not lost when the tests pass."""

from __future__ import annotations

_figures: list[tuple[str, str]] = []


def figure(name: str, value: str) -> None:
    """Keep one for the report."""
    _figures.append((name, value))


def lines() -> list[str]:
    """What was kept, one figure a line; a name that is repeated (a table's) is said once."""
    shown, before = [], None
    for name, value in _figures:
        shown.append(f"{'' if name == before else name + ': '}{value}")
        before = name
    return shown
