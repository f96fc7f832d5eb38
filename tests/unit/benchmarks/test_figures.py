# SPDX-License-Identifier: Apache-2.0
"""Medians, spreads, ratios, percentiles."""

from __future__ import annotations

import pytest

from benchmarks.figures import percentile, ratios, spread


@pytest.mark.parametrize(
    ("values", "median"), [([3.0], 3.0), ([1.0, 9.0, 2.0], 2.0), ([1.0, 2.0, 4.0, 9.0], 3.0)]
)
def test_spread(values: list[float], median: float) -> None:
    found = spread(values)
    assert (found.median, found.low, found.high) == (median, min(values), max(values))
    assert found.count == len(values)


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([10.0, 40.0], [5.0, 10.0]) == [2.0, 4.0]
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (0, 1)])
def test_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


def test_percentile_of_few() -> None:
    assert percentile([7.0], 99) == 7.0
    assert percentile([1.0, 2.0], 50) == 1.0


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        spread([])
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)
