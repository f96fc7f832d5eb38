# SPDX-License-Identifier: Apache-2.0
"""A place in the stream of all rows, as opaque text for `after`."""

from __future__ import annotations

import re

from app.errors import ProbedeckError


def cursor_text(row: int, run_id: str) -> str:
    """The cursor before row number `row`.

    `run_id` keeps a cursor of an earlier run from being taken for one of this: rows are
    numbered from 0 in each.
    """
    return f"{run_id}-{row}"


def cursor_row(text: str, run_id: str, next_row: int) -> int:
    """The number of the row that the cursor is before. Raises 400 `bad_cursor`."""
    match = re.fullmatch(re.escape(run_id) + r"-([0-9]{1,18})", text)
    if match is None or int(match[1]) > next_row:
        raise ProbedeckError(400, "bad_cursor", "`after` is not a cursor of this run of Probedeck.")
    return int(match[1])
