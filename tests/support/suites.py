# SPDX-License-Identifier: Apache-2.0
"""Sharing tests that take long in emulation out among the machines (tests/kernels/conftest.py)."""

from __future__ import annotations

import pytest

from app.machine.kernels import SUITES


def in_turn(number: int) -> pytest.MarkDecorator:
    """Mark a test to run in the machine of one suite, of each in turn by this number."""
    return pytest.mark.suites(tuple(SUITES)[number % len(SUITES)])
