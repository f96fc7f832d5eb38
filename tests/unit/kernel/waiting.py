# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until it holds: the kernel frees what was closed a moment later.

    Gives up, with a failure, after far longer than any loaded machine takes.
    """
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to hold")
