"""A place in the sequence of rows that the hub holds, as opaque text for `after`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.errors import ProbedeckError


@dataclass(frozen=True)
class Cursor:
    """Behind the first `row` rows that the service received since it started."""

    row: int

    def text(self, run_id: str) -> str:
        """`run_id` keeps a cursor of an earlier run from being taken for one of this."""
        return f"{run_id}-{self.row}"

    @classmethod
    def parse(cls, text: str, run_id: str) -> Cursor:
        """Raises 400 `bad_cursor`."""
        match = re.fullmatch(re.escape(run_id) + r"-([0-9]{1,18})", text)
        if match is None:
            raise ProbedeckError(
                400, "bad_cursor", "`after` is not a cursor of this run of Probedeck."
            )
        return cls(int(match[1]))
