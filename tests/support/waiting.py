# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition. Bounds are generous: the tests also run under emulation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

# Only decides when to give up; no test asserts how long something takes.
PATIENCE_S = 240.0


def wait_until(condition: Callable[[], Value], what: str, patience_s: float = PATIENCE_S) -> Value:
    """Return the first true value of `condition`; AssertionError naming `what` if none comes."""
    give_up = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < give_up, f"waited {patience_s:.0f} s in vain for {what}"
        time.sleep(0.02)
