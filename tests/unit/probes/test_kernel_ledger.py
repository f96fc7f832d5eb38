# SPDX-License-Identifier: Apache-2.0
"""Descriptors of a tracer's maps that do not fit the message they came with."""

from __future__ import annotations

import os
from typing import Any

import pytest

from app.probes.kernel_ledger import KernelLedger

MESSAGE: dict[str, Any] = {
    "rings": [64, 256],
    "drops": {"ring_full": 0},
    "entered": 3,
    "left": 4,
    "canary_missed_at": 20,
    "programs": 1,
}


def test_the_descriptors_are_closed_with_it() -> None:
    descriptors = [os.dup(0) for _ in range(5)]
    given = [*descriptors, 7]
    KernelLedger(MESSAGE, given).close()
    assert given == [7]  # of a later message
    for fd in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({}, 3),
        ({"rings": [64, 0]}, 4),
        ({"rings": ["x"]}, 4),
        ({"rings": None}, 4),
        ({"drops": 5}, 4),
        ({"entered": "x"}, 4),
    ],
)
def test_a_malformed_message_takes_nothing_over(change: dict[str, Any], count: int) -> None:
    descriptors = [os.dup(0) for _ in range(count)]
    try:
        with pytest.raises((ValueError, KeyError, TypeError)):
            KernelLedger({**MESSAGE, **change}, descriptors)
    finally:
        for fd in descriptors:
            os.close(fd)  # still open
