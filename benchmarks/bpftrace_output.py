# SPDX-License-Identifier: Apache-2.0
"""Parsing what bpftrace prints: rows, and reports of lost events. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_LOST = re.compile(r"^Lost (\d+) events$", re.MULTILINE)
# time pid tid uid comm dfd filename [ret latency]; comm and filename are arbitrary text.
_ROW = re.compile(r"\d+ \d+ \d+ \d+ .* -?\d+ .*")


@dataclass(frozen=True)
class Printed:
    """Event rows, and events that bpftrace reported as lost."""

    rows: int
    lost: int


def read_text(output: str) -> Printed:
    """Parse `-f text` output: one line per row, with loss reports in between."""
    rows = sum(1 for line in output.split("\n") if _ROW.fullmatch(line))
    return Printed(rows, sum(int(count) for count in _LOST.findall(output)))


def read_json(output: str) -> Printed:
    """Parse `-f json` output: one object per line. The last line may be incomplete."""
    rows = lost = 0
    for line in output.split("\n"):
        try:
            message = json.loads(line, strict=False)
        except ValueError:
            continue  # empty, an error message, or incomplete
        if message["type"] == "printf":
            rows += bool(_ROW.fullmatch(message["data"].rstrip("\n")))
        elif message["type"] == "lost_events":
            lost += message["data"]["events"]
    return Printed(rows, lost)
