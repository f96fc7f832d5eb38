# SPDX-License-Identifier: Apache-2.0
"""Arithmetic on measured numbers. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Several measurements of one quantity: median, smallest and largest."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of some values; raises ValueError when there are none."""
    if not values:
        raise ValueError("nothing was measured")
    return Spread(statistics.median(values), min(values), max(values), len(values))


def ratios(values: Sequence[float], base: Sequence[float]) -> list[float]:
    """Divide each value by the base of the same round, as a disturbance affects both."""
    return [value / below for value, below in zip(values, base, strict=True)]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` % do not exceed (nearest rank)."""
    if not values:
        raise ValueError("nothing was measured")
    rank = max(1, math.ceil(percent / 100 * len(values)))
    return sorted(values)[rank - 1]
