# SPDX-License-Identifier: Apache-2.0
"""Sharing tests that take long in emulation out among the machines (tests/kernels/conftest.py)."""

from __future__ import annotations

import pytest

from app.machine.kernels import SUITES

# Kernels, old and new, whose machines take a share in `./test`; `./test long` runs all on each.
SHARING = ("bookworm", "trixie-backports")


def in_turn(number: int) -> pytest.MarkDecorator:
    """Mark a test by this number: those of every other kernel in turn run in `./test`."""
    suite = tuple(SUITES)[number % len(SUITES)]
    return pytest.mark.suites(*([suite] if suite in SHARING else []))


def oldest_in_turn(number: int) -> pytest.MarkDecorator:
    """Mark every so many tests to run on the oldest kernel; `./test long` runs all on each."""
    oldest, *others = SUITES
    return pytest.mark.suites(*([] if number % (1 + len(others)) else [oldest]))
