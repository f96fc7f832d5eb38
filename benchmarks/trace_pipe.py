# SPDX-License-Identifier: Apache-2.0
"""tracefs's trace_pipe: what its text says was lost. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LOST = re.compile(rb"^CPU:\d+ \[LOST (\d+) EVENTS\]$", re.MULTILINE)
_MARK = b" bpf_trace_printk: "
# In per_cpu/cpuN/stats. `overrun`: overwritten before anyone read them.
_STAT = re.compile(r"^([a-z ]+): (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Text:
    """Of a piece of trace_pipe's text: lines that programs printed, and events told to be lost."""

    lines: int
    lost: int


def read_text(piece: bytes) -> Text:
    """The piece holds whole lines, as the kernel gives them."""
    return Text(piece.count(_MARK), sum(int(count) for count in _LOST.findall(piece)))


def read_stats(texts: Iterable[str]) -> dict[str, int]:
    """The sums of per_cpu/cpu*/stats over CPUs: `entries`, `overrun`, `dropped events`."""
    sums = {"entries": 0, "overrun": 0, "dropped events": 0}
    for text in texts:
        for name, value in _STAT.findall(text):
            if name in sums:
                sums[name] += int(value)
    return sums
