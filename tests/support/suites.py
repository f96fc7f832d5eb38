# SPDX-License-Identifier: Apache-2.0
"""Sharing tests that take long in emulation out among the machines (tests/kernels/conftest.py)."""

from __future__ import annotations

import pytest

from app.machine.kernels import SUITES


def in_turn(number: int) -> pytest.MarkDecorator:
    """Mark a test to run in the machine of one suite, of each in turn by this number."""
    return pytest.mark.suites(tuple(SUITES)[number % len(SUITES)])


def oldest_in_turn(number: int) -> pytest.MarkDecorator:
    """Mark every so many tests to run on the oldest kernel; `./test long` runs all on each."""
    oldest, *others = SUITES
    return pytest.mark.suites(*([] if number % (1 + len(others)) else [oldest]))
