# SPDX-License-Identifier: Apache-2.0
"""Layouts and constants of bpf/*.c; tests compare the two.

Plain values: `app.tracer.rings` makes a numpy type of the record.
"""

from __future__ import annotations

# The counters of the map `counts` after the drops (app.probes.drops), as in `enum count`.
CALLS_ENTERED, CALLS_LEFT, CANARIES, CALLS_UNGROUPED = 3, 4, 5, 6

# struct canary (bpf/presets/deletions/canary.c), native byte order: pid_tgid, token, entered,
# left, missed.
CANARY = "=QIIII"
CANARY_MISSED_AT = 20  # offset of `missed` in bytes

# BPF_RINGBUF_HDR_SZ: each record follows its length, whose top bits are flags, and a page offset
# (kernel/bpf/ringbuf.c).
HEADER = [("length", "<u4"), ("page_offset", "<u4")]
