# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time

from app.tracer.clock import wall_offset_ns


def test_a_monotonic_stamp_becomes_the_wall_clock_time() -> None:
    """Bracketed by the wall clock, not by a tolerance."""
    before = time.time_ns()
    stamp = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    after = time.time_ns()
    slack = 1_000_000  # the issue asks for under 1 ms
    assert before - slack <= stamp + wall_offset_ns() <= after + slack
