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
    "groups": False,
    "programs": 1,
    "sees_both": False,
}


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize("canary", [None, 20])
def test_the_descriptors_are_closed_with_it(canary: int | None, groups: bool) -> None:
    count = 4 + groups + (canary is not None)
    descriptors = [os.dup(0) for _ in range(count)]
    given = [*descriptors, 7]
    ledger = KernelLedger({**MESSAGE, "canary_missed_at": canary, "groups": groups}, given)
    assert given == [7]  # of a later message
    assert ledger.counts == descriptors[2]  # after the rings
    assert ledger.groups == (descriptors[-2] if groups else None)  # before the program
    ledger.close()
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
