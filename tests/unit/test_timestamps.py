# SPDX-License-Identifier: Apache-2.0
"""Times as text, and back."""

from __future__ import annotations

import time

import pytest

from app.timestamps import now, rfc3339, unix_time


@pytest.mark.parametrize(
    ("time_s", "precision", "text"),
    [
        (0.0, "microseconds", "1970-01-01T00:00:00.000000Z"),
        (1.5, "microseconds", "1970-01-01T00:00:01.500000Z"),
        (1.5, "milliseconds", "1970-01-01T00:00:01.500Z"),
        (951782400.25, "microseconds", "2000-02-29T00:00:00.250000Z"),
    ],
)
def test_a_time_is_written_in_utc_and_read_back(time_s: float, precision: str, text: str) -> None:
    assert rfc3339(time_s, precision) == text
    assert unix_time(text) == time_s


def test_now_lies_between_two_readings_of_the_clock() -> None:
    before_s = time.time()
    here, later = unix_time(now()), unix_time(now(after_s=3600))
    after_s = time.time()
    microsecond = 1e-6
    assert before_s - microsecond <= here <= after_s + microsecond
    assert before_s + 3600 - microsecond <= later <= after_s + 3600 + microsecond


def test_text_that_is_not_a_time_is_refused() -> None:
    with pytest.raises(ValueError, match="noon"):
        unix_time("noon")
