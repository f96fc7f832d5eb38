# SPDX-License-Identifier: Apache-2.0
"""What bpftrace printed: its rows, and what it says that it lost. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_LOST = re.compile(r"^Lost (\d+) events$", re.MULTILINE)
# time pid tid uid comm dfd filename [ret latency]; comm and filename may hold anything.
_ROW = re.compile(r"\d+ \d+ \d+ \d+ .* -?\d+ .*")


@dataclass(frozen=True)
class Printed:
    """Rows of events, and events that bpftrace found no room for."""

    rows: int
    lost: int


def read_text(output: str) -> Printed:
    """Of `-f text`: a row is a line; what was lost is said between them."""
    rows = sum(1 for line in output.split("\n") if _ROW.fullmatch(line))
    return Printed(rows, sum(int(count) for count in _LOST.findall(output)))


def read_json(output: str) -> Printed:
    """Of `-f json`: an object a line, by `type`. The last line may not be whole yet."""
    rows = lost = 0
    for line in output.split("\n"):
        try:
            message = json.loads(line, strict=False)
        except ValueError:
            continue  # empty, an error's text, or cut
        if message["type"] == "printf":
            rows += bool(_ROW.fullmatch(message["data"].rstrip("\n")))
        elif message["type"] == "lost_events":
            lost += message["data"]["events"]
    return Printed(rows, lost)
