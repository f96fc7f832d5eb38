# SPDX-License-Identifier: Apache-2.0
"""Cursors: a position in the stream of all rows, as opaque text for `after`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.errors import ProbedeckError
from app.hub.log import ALL


def cursor_text(row: int, run_id: str, rows_before: Mapping[str, int]) -> str:
    """Return the cursor before row number `row`, with the rows of each probe and of ALL before it.

    `run_id` tells cursors of an earlier run apart: each run numbers its rows from 0.
    """
    counts = "".join(f",{probe}:{count}" for probe, count in sorted(rows_before.items()))
    return f"{run_id}-{row}{counts}"


def read_cursor(text: str, run_id: str, next_row: int) -> tuple[int, dict[str, int]]:
    """Return the number of the row after the cursor, and the rows of each probe before it.

    Raises 400 `bad_cursor`, also for one beyond the row `next_row` or with more rows than can be
    before it.
    """
    counts = r"((?:,(?:\*|[a-z0-9][a-z0-9._-]{0,31}):[0-9]{1,18})*)"
    match = re.fullmatch(re.escape(run_id) + r"-([0-9]{1,18})" + counts, text, re.ASCII)
    row = int(match[1]) if match is not None else 0
    pairs = [] if match is None else [part.rpartition(":") for part in match[2].split(",")[1:]]
    before = {name: int(count) for name, _, count in pairs}
    of_probes = sum(count for name, count in before.items() if name != ALL)
    if (
        match is None
        or row > next_row
        or len(before) < len(pairs)
        or of_probes > before.get(ALL, 0)
        or before.get(ALL, 0) > row
    ):
        raise ProbedeckError(
            400,
            "bad_cursor",
            "`after` is not a cursor of this run of Probedeck: start again without it.",
        )
    return row, before
