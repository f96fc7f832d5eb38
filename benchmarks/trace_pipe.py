# SPDX-License-Identifier: Apache-2.0
"""Parsing the text of trace_pipe and of the buffers' statistics. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LOST = re.compile(rb"^CPU:\d+ \[LOST (\d+) EVENTS\]$", re.MULTILINE)
_MARK = b" bpf_trace_printk: "
# In per_cpu/cpuN/stats. `overrun` counts events that were overwritten before they were read.
_STAT = re.compile(r"^([a-z ]+): (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Text:
    """Lines that programs printed, and events reported lost, in a piece of trace_pipe's text."""

    lines: int
    lost: int


def read_text(piece: bytes) -> Text:
    """Parse a piece of whole lines, as the kernel returns them."""
    return Text(piece.count(_MARK), sum(int(count) for count in _LOST.findall(piece)))


def read_stats(texts: Iterable[str]) -> dict[str, int]:
    """Return sums over CPUs of `entries`, `overrun` and `dropped events`."""
    sums = {"entries": 0, "overrun": 0, "dropped events": 0}
    for text in texts:
        for name, value in _STAT.findall(text):
            if name in sums:
                sums[name] += int(value)
    return sums
