# SPDX-License-Identifier: Apache-2.0
"""trace_pipe's text and the counters beside it."""

from __future__ import annotations

from benchmarks.printk_source import LINES_PER_CALL, source
from benchmarks.trace_pipe import Text, read_stats, read_text

PIECE = b"""  load-6318 [001] d..31   589.715775: bpf_trace_printk: enter: pid = 6318, filename = n
  load-6318 [001] d..31   589.715776: bpf_trace_printk: exit: pid = 6318, ret = -2
CPU:1 [LOST 734 EVENTS]
CPU:0 [LOST 6 EVENTS]
  load-6318 [000] d..31   589.715779: bpf_trace_printk: enter: pid = 6318, filename = n
"""
STATS = """entries: 5
overrun: 734
commit overrun: 0
bytes: 676
oldest event ts:   589.715775
now ts:   600.000001
dropped events: 2
read events: 40
"""


def test_lines_and_losses() -> None:
    assert read_text(PIECE) == Text(lines=3, lost=740)
    assert read_text(b"") == Text(0, 0)


def test_counters_are_summed_over_processors() -> None:
    assert read_stats([STATS, STATS]) == {"entries": 10, "overrun": 1468, "dropped events": 4}


def test_a_program_prints_as_many_lines_as_are_counted() -> None:
    for mode, lines in LINES_PER_CALL.items():
        text = source(mode)
        assert text.count("bpf_trace_printk(") == lines
        assert text.count("if (pid != PID)") == lines  # each is filtered as ours is
        assert "%%" not in text
