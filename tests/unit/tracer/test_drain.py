# SPDX-License-Identifier: Apache-2.0
"""Which records of several rings may be taken together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.tracer.drain import takeable
from app.tracer.rings import slot_dtype


def view(*stamps: int) -> np.ndarray[Any, np.dtype[np.void]]:
    """Records that were written at these times: entry some time before, and the latency."""
    slots = np.zeros(len(stamps), dtype=slot_dtype(64))
    slots["entry_ns"] = [stamp - 5 for stamp in stamps]
    slots["latency_ns"] = 5
    return slots


@pytest.mark.parametrize(
    ("peeked", "before_ns", "counts"),
    [
        ([((10, 20), True), ((15,), True)], 100, [2, 1]),
        ([((), True), ((), True)], 100, [0, 0]),
        # Written after polling began: an earlier one may be in a ring that was polled before it.
        ([((10, 20), True), ((15, 101), True)], 100, [2, 1]),
        ([((101,), True), ((), True)], 100, [0, 0]),
        # A ring has more: take nothing after its last record taken.
        ([((10, 20), False), ((15, 25), True)], 100, [2, 1]),
        # Timestamps are taken before the space in the ring is: not quite in order.
        ([((20, 10), False), ((15, 25), True)], 100, [2, 1]),
        # Nothing in a ring can be read yet, as its first record is still being written.
        ([((), False), ((15,), True)], 100, [0, 0]),
        # The ring that limits the others is itself taken whole, so there is always progress.
        ([((10, 20), False), ((5, 30), False)], 100, [2, 1]),
    ],
)
def test_counts(
    peeked: list[tuple[tuple[int, ...], bool]], before_ns: int, counts: list[int]
) -> None:
    assert takeable([(view(*stamps), whole) for stamps, whole in peeked], before_ns) == counts
