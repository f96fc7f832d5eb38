# SPDX-License-Identifier: Apache-2.0
"""The kernel's counters of a tracer's run, read by the service once the tracer has ended.

The rings and counters outlive the tracer that filled them, for as long as the service holds their
descriptors. Descriptors of maps and programs keep nothing attached. Links and perf events do,
and only the tracer holds those (bpf_link_release, kernel/bpf/syscall.c; perf_release,
kernel/events/core.c).
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from app.linux import bpf
from app.linux.syscalls import wait_for_running_programs
from app.probes.drops import RECURSION, UNFINISHED

PAGE_BYTES = mmap.PAGESIZE
_U32 = struct.Struct("=I")


class KernelLedger:
    """Owns the descriptors of the rings, counters and programs of a run, or of one of its sets.

    `counts` is that of the map of counters, `groups` that of the map in which calls are counted;
    None if they are not.
    """

    def __init__(self, message: Mapping[str, Any], descriptors: list[int]) -> None:
        """Take the descriptors of the message `maps` (docs/protocol.md) from a list's beginning.

        Raises ValueError, KeyError or TypeError for a malformed message; then owns nothing.
        """
        self._slot_bytes = [int(size) for size in message["rings"]]
        self._drops = {str(name): int(index) for name, index in dict(message["drops"]).items()}
        self._entered, self._left = int(message["entered"]), int(message["left"])
        self._sees_both = bool(message["sees_both"])
        canary = message["canary_missed_at"]  # None: this tracer makes no canaries
        self._canary_missed_at = None if canary is None else int(canary)
        has_groups = bool(message["groups"])
        rings = len(self._slot_bytes)
        maps = rings + (1 if canary is None else 2) + has_groups
        count = maps + int(message["programs"])
        if not maps <= count <= len(descriptors) or not all(size > 0 for size in self._slot_bytes):
            raise ValueError(f"{len(descriptors)} descriptors for {rings} rings")
        taken, descriptors[:count] = descriptors[:count], []
        self._rings = taken[:rings]
        self.counts, self._canary = taken[rings], taken[rings + (canary is not None)]
        self.groups = taken[maps - 1] if has_groups else None
        self._entry_programs = taken[maps:]
        self._stack = ExitStack()
        for fd in taken:
            self._stack.callback(os.close, fd)

    def close(self) -> None:
        """Close the descriptors; the kernel then frees what they refer to."""
        self._stack.close()

    def read(self, *, counts_misses: bool = True) -> dict[str, Any]:
        """Return the totals, as a tracer reports them at its end. Raises OSError.

        The programs must be detached; one that is still running is waited for. All sets of a run
        have the same programs at entry, so that the misses of only one ledger count.
        """
        wait_for_running_programs()
        drops = {name: self._count(index) for name, index in self._drops.items()}
        misses = sum(bpf.prog_info(fd).recursion_misses or 0 for fd in self._entry_programs)
        drops[RECURSION] = misses - self._missed_canaries() if counts_misses else 0
        # A call may return on another CPU, whose counter may be read before the one it entered on.
        inside = self._count(self._entered) - self._count(self._left)
        if self._sees_both:  # a call that was missed at its return only is not unfinished, too
            inside -= misses
        drops[UNFINISHED] = max(0, inside)
        dropped = sum(drops.values())
        records = sum(
            _producer_position(fd) // size
            for fd, size in zip(self._rings, self._slot_bytes, strict=True)
        )
        return {"produced": records + dropped, "dropped_kernel": dropped, "drops": drops}

    def _missed_canaries(self) -> int:
        """Return the tracer's own test calls that its programs missed: these lost no event."""
        if self._canary_missed_at is None:
            return 0
        size = self._canary_missed_at + _U32.size
        value = bpf.map_lookup(self._canary, bytes(4), -(-size // 8) * 8)
        return 0 if value is None else int(_U32.unpack_from(value, self._canary_missed_at)[0])

    def _count(self, index: int) -> int:
        return bpf.map_sum(self.counts, struct.pack("=I", index))


def _producer_position(ring_fd: int) -> int:
    """Return the bytes that programs have reserved in a ring; ours discard no record.

    The position is in the ring's second page (kernel/bpf/ringbuf.c), which is mapped only here.
    """
    with mmap.mmap(ring_fd, PAGE_BYTES, prot=mmap.PROT_READ, offset=PAGE_BYTES) as page:
        return int(struct.unpack_from("=Q", page)[0])
