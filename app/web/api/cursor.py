# SPDX-License-Identifier: Apache-2.0
"""A place in the stream of all rows, as opaque text for `after`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.errors import ProbedeckError


def cursor_text(row: int, run_id: str, rows_before: Mapping[str, int]) -> str:
    """The cursor before row number `row`, with the rows that each probe has had before it.

    `run_id` keeps a cursor of an earlier run from being taken for one of this: rows are
    numbered from 0 in each.
    """
    counts = "".join(f",{probe}:{count}" for probe, count in sorted(rows_before.items()))
    return f"{run_id}-{row}{counts}"


def read_cursor(text: str, run_id: str, next_row: int) -> tuple[int, dict[str, int]]:
    """The number of the row that the cursor is before, and the rows of each probe before that.

    Raises 400 `bad_cursor`.
    """
    counts = r"((?:,[a-z0-9][a-z0-9._-]{0,31}:[0-9]{1,18})*)"
    match = re.fullmatch(re.escape(run_id) + r"-([0-9]{1,18})" + counts, text, re.ASCII)
    if match is None or int(match[1]) > next_row:
        raise ProbedeckError(400, "bad_cursor", "`after` is not a cursor of this run of Probedeck.")
    pairs = [part.rpartition(":") for part in match[2].split(",")[1:]]
    return int(match[1]), {probe: int(count) for probe, _, count in pairs}
