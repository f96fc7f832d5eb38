# SPDX-License-Identifier: Apache-2.0
"""When the rings are polled next."""

from __future__ import annotations

import pytest

from app.tracer.loop import interval_s


@pytest.mark.parametrize(
    ("idle_polls", "occupancy", "elapsed_s", "expected_s"),
    [
        (0, 0.0, 0.025, 0.025),
        (0, 0.2, 0.025, 0.025),
        (0, 0.5, 0.025, 0.0125),  # it would be at a quarter by then
        (0, 0.25, 0.0125, 0.0125),
        (0, 0.1, 0.0125, 0.025),  # slower again
        (0, 1.0, 0.001, 0.002),  # not shorter than this
        (39, 0.0, 0.025, 0.025),
        (40, 0.0, 0.025, 0.050),
    ],
)
def test_interval(idle_polls: int, occupancy: float, elapsed_s: float, expected_s: float) -> None:
    assert interval_s(idle_polls, occupancy, elapsed_s) == pytest.approx(expected_s)
