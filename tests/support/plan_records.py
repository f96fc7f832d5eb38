# SPDX-License-Identifier: Apache-2.0
"""Records as the programs of any plan write them, packed by `struct` and not by numpy."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.columns.column import Column
from app.columns.plan import ENTRY, STRING, Hook, Output, Plan, Read, Text
from app.tracer.any_records import slots

RING_BYTES = {"ring_short": 64, "ring_medium": 256, "ring_large": 1024, "ring_long": 8192}
HEAD = struct.Struct("<QQqIIIIII4i16s16s")
LONGEST_TEXT = 4096
READ = Read(ENTRY, 0)
LEFT_OVER = b"#"  # what the rest of a text area has


def room_for(ring: str, texts: int) -> int:
    """Return the bytes for this many texts, which may be long, in the records of a ring."""
    return min(RING_BYTES[ring], LONGEST_TEXT * texts)


@dataclass(frozen=True)
class Record:
    """One call. A value or text that could not be read is None."""

    values: tuple[int | None, ...] = ()
    texts: tuple[bytes | None, ...] = ()
    entry_ns: int = 0
    latency_ns: int = 0
    ret: int = 0
    pid: int = 1
    tid: int = 2
    uid: int = 3
    cpu: int = 0
    comm: bytes = b"thread"
    process: bytes = b"process"
    cut: frozenset[int] = field(default_factory=frozenset)  # texts whose end is missing
    headless: frozenset[int] = field(default_factory=frozenset)  # whose beginning is missing

    @property
    def ring(self) -> str:
        """The first ring with room for the texts."""
        size = sum(len(text or b"") for text in self.texts)
        return next(ring for ring, room in RING_BYTES.items() if size <= room)

    def packed(self, ring: str) -> bytes:
        """Return the record with its header."""
        flags = sum(1 << i for i in self.cut) | sum(0x100 << i for i in self.headless)
        unreadable = sum(1 << i for i, value in enumerate(self.values) if value is None)
        sizes = [-1 if text is None else len(text) for text in self.texts]
        head = HEAD.pack(
            self.entry_ns, self.latency_ns, self.ret, self.pid, self.tid, self.uid, self.cpu,
            flags, unreadable, *sizes, *[0] * (4 - len(sizes)), self.comm, self.process,
        )  # fmt: skip
        words = [(value or 0) & (2**64 - 1) for value in self.values]
        texts = b"".join(text or b"" for text in self.texts)
        room = room_for(ring, len(self.texts))
        body = head + struct.pack(f"<{len(words)}Q", *words) + texts.ljust(room, LEFT_OVER)
        return struct.pack("<II", len(body), 0) + body


def parts_of(
    plan: Plan, records: Sequence[Record]
) -> tuple[list[np.ndarray[Any, Any]], list[Record]]:
    """Return the records of each ring as arrays, and the records in the order of those."""
    parts, in_parts = [], []
    for ring, slot in slots(plan).items():
        some = [record for record in records if record.ring == ring]
        if some or not records:
            raw = b"".join(record.packed(ring) for record in some)
            parts.append(np.frombuffer(raw, dtype=slot))
            in_parts += some
    return parts, in_parts


def plan_of(
    outputs: Iterable[Output], *, reads: Sequence[Read] = (), texts: int = 0, mode: str = "fexit"
) -> Plan:
    """Return a plan with these outputs, of some function."""
    return Plan(
        hook=Hook("function", "vfs_read"),
        mode=mode,
        sees_return=True,
        values=tuple(reads),
        texts=(Text(STRING, READ),) * texts,
        outputs=tuple(outputs),
        kernel_offsets={},
    )


def column(name: str, kind: str, **members: Any) -> Column:
    """Return a column whose title and help do not matter."""
    return Column(name, kind, name, name, **members)
