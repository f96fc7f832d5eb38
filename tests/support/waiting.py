# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition. Bounds are generous: the tests also run under emulation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tests.support import kernel

Value = TypeVar("Value")

# Only decide when to give up; no test asserts how long something takes. Five probes that start at
# once, the first of a service, took 105 s in an emulated machine with two processors of the host,
# and more than 200 s with less than one. Below the limit of a test (tests/conftest.py).
PATIENCE_S = 520.0 if kernel.in_test_machine() else 240.0
START_PATIENCE_S = 500 if kernel.in_test_machine() else 200


def wait_until(condition: Callable[[], Value], what: str, patience_s: float = PATIENCE_S) -> Value:
    """Return the first true value of `condition`; AssertionError naming `what` if none comes."""
    give_up = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < give_up, f"waited {patience_s:.0f} s in vain for {what}"
        time.sleep(0.02)
