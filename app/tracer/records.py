# SPDX-License-Identifier: Apache-2.0
"""Layouts and constants of bpf/*.c; tests compare the two.

Plain values: `app.tracer.rings` makes a numpy type of the record.
"""

from __future__ import annotations

NAME_UNREADABLE = -1
NAME_CUT = 0x100
REPLACES = 0x200
NO_FOLDER = 0x800
FOLDER_OPEN = 0x1000
CALL_MASK = 0xFF
CALLS = ("", "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2")
FIRST_RENAME = 4

# The counters of the map `counts` after the drops (app.probes.drops), as in `enum count`.
CALLS_ENTERED, CALLS_LEFT, CANARIES = 3, 4, 5

# struct canary (bpf/canary.c), native byte order: pid_tgid, token, entered, left, missed.
CANARY = "=QIIII"
CANARY_MISSED_AT = 20  # offset of `missed` in bytes

# BPF_RINGBUF_HDR_SZ: each record follows its length, whose top bits are flags, and a page offset
# (kernel/bpf/ringbuf.c).
HEADER = [("length", "<u4"), ("page_offset", "<u4")]
HEAD = [
    ("entry_ns", "<u8"),
    ("latency_ns", "<u8"),
    ("ret", "<i8"),
    ("pid", "<u4"),
    ("tid", "<u4"),
    ("uid", "<u4"),
    ("dfd", "<i4"),
    ("name_size", "<i4"),
    ("flags", "<u4"),
    ("call_flags", "<u4"),
    ("folder_size", "<u4"),
    ("comm", "u1", (16,)),
    ("process", "u1", (16,)),
]
HEAD_BYTES = 88

# Ring (map) name -> bytes of name in its records.
NAME_BYTES = {"ring_short": 64, "ring_medium": 256, "ring_large": 1024, "ring_long": 4096}
