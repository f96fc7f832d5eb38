# SPDX-License-Identifier: Apache-2.0
"""The causes by which the kernel side loses events: the members of `drops` (docs/protocol.md)."""

from __future__ import annotations

# Counted by the BPF programs, in the order of `enum count` (bpf/).
PROGRAM_DROPS = ("ring_full", "stash_full", "missed_return")
RECURSION = "recursion"  # counted by the kernel: the program was already running on that CPU
UNFINISHED = "unfinished"  # calls that had not returned when the probe stopped

NO_DROPS = dict.fromkeys((*PROGRAM_DROPS, RECURSION, UNFINISHED), 0)
