# SPDX-License-Identifier: Apache-2.0
"""Cursors: what was written is read, and nothing else is."""

from __future__ import annotations

import pytest

from app.errors import ProbedeckError
from app.web.api.cursor import cursor_text, read_cursor

RUN = "0a1b2c3d"


@pytest.mark.parametrize(
    ("row", "rows_before"),
    [
        (0, {}),
        (7, {"*": 7, "fexit": 7}),
        (9, {"*": 8, "fexit": 7}),
        (10**17, {"*": 10**17, "a.b_c-d": 0, "fentry": 10**17}),
    ],
)
def test_a_cursor_is_read_back(row: int, rows_before: dict[str, int]) -> None:
    assert read_cursor(cursor_text(row, RUN, rows_before), RUN, row) == (row, rows_before)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        f"{RUN}-",
        f"{RUN}-11",  # beyond the next row
        f"{RUN}--1",
        f"{RUN}-1,",
        f"{RUN}-1,fexit",
        f"{RUN}-1,fexit:",
        f"{RUN}-1,Fexit:1",
        f"{RUN}-1,fexit:-1",
        f"{RUN}-1,fexit:1\n",
        f"{RUN}-5,fexit:1",  # and none of all probes
        f"{RUN}-5,*:6",  # more rows than numbers
        f"{RUN}-5,*:5,a:3,b:3",  # more than of all probes
        f"{RUN}-5,*:5,a:1,a:1",
        f"{RUN}-5,**:5",
        f"{RUN}-\u0661",
        f"{RUN}-{'1' * 5000}",
        "0a1b2c3e-1",  # another run
        "0a1b2c3d1",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ProbedeckError) as refusal:
        read_cursor(text, RUN, 10)
    assert (refusal.value.status, refusal.value.code) == (400, "bad_cursor")


def test_a_run_id_is_text_and_not_a_pattern() -> None:
    with pytest.raises(ProbedeckError):
        read_cursor("abcd-1", "a.cd", 10)
