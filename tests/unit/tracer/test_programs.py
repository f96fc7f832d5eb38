# SPDX-License-Identifier: Apache-2.0
"""What goes to the filter map."""

from __future__ import annotations

import pytest

from app.probes.spec import Filter
from app.tracer.programs import filter_struct


@pytest.mark.parametrize(
    ("wanted", "tests"),
    [
        (Filter(), 0),
        (Filter(pid=1), 1),
        (Filter(uid=0), 2),  # root is user 0: asked for, not absent
        (Filter(comm="rm"), 4),
        (Filter(only_failures=True), 8),
        (Filter(process="rm"), 16),
        (Filter(5, 6, "x", True, "y"), 31),
    ],
)
def test_filter_asks_for_what_was_given(wanted: Filter, tests: int) -> None:
    assert filter_struct(wanted, True).tests == tests


def test_comm_is_its_bytes() -> None:
    assert filter_struct(Filter(comm="é"), True).comm == "é".encode()
    assert filter_struct(Filter(process="é"), True).process == "é".encode()
