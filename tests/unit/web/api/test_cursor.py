# SPDX-License-Identifier: Apache-2.0
"""Cursors of `GET /events`: written and read again, and refused when they are of another run."""

from __future__ import annotations

import pytest

from app.errors import ProbedeckError
from app.web.api.cursor import cursor_text, read_cursor


@pytest.mark.parametrize(
    ("row", "rows_before"),
    [(0, {}), (7, {"fexit": 7}), (10**17, {"a.b-c_d": 1, "fexit": 10**17, "x": 0})],
)
def test_read_is_the_inverse_of_written(row: int, rows_before: dict[str, int]) -> None:
    text = cursor_text(row, "1a2b", rows_before)
    assert read_cursor(text, "1a2b", row) == (row, rows_before)


def test_the_order_of_probes_makes_no_difference() -> None:
    assert cursor_text(3, "r", {"b": 1, "a": 2}) == cursor_text(3, "r", {"a": 2, "b": 1})


@pytest.mark.parametrize(
    "text",
    [
        *("", "1a2b", "1a2b-", "1a2b-x", "1a2b--1", "1a2b-6", "1a2b-1 ", " 1a2b-1", "1a2b-1,"),
        *("2b1a-1", "1a2b-1,fexit", "1a2b-1,fexit:", "1a2b-1,:1", "1a2b-1,Fexit:1", "1a2b-1\n"),
        *("1a2b-٣", f"1a2b-{10**18}", f"1a2b-1,fexit:{10**18}", f"1a2b-1,{'x' * 33}:1"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ProbedeckError) as caught:
        read_cursor(text, "1a2b", next_row=5)
    assert (caught.value.status, caught.value.code) == (400, "bad_cursor")


def test_the_run_is_no_pattern() -> None:
    with pytest.raises(ProbedeckError):
        read_cursor("1a2b-1", "....", next_row=5)
