# SPDX-License-Identifier: Apache-2.0
"""Reading a BPF ring buffer of equal records as an array, without a callback for each.

The layout is kernel/bpf/ringbuf.c's: page 0 holds the consumer position (ours to write), page 1
the producer position, then the data, mapped twice in a row so that a stretch that wraps
round is contiguous. Positions are bytes since the start and never wrap.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from app.tracer.records import HEAD, HEADER

BUSY = 1 << 31  # reserved, and not yet written
PAGE_BYTES = mmap.PAGESIZE


def slot_dtype(name_bytes: int) -> np.dtype[np.void]:
    """A record with its ring buffer header, as it lies in memory."""
    return np.dtype([*HEADER, *HEAD, ("name", "u1", (name_bytes,))])


class CorruptRing(Exception):
    """The ring does not hold the records that our programs write."""


class Ring:
    """The consumer side of one ring. A context manager; the caller owns the map's descriptor."""

    def __init__(self, map_fd: int, size_bytes: int, slot: np.dtype[np.void]) -> None:
        self._slot = slot
        self._size_bytes = size_bytes
        self._record_bytes = slot.itemsize - 8
        if slot.itemsize % 8:
            raise ValueError("records must be padded to 8 bytes, as the kernel pads them")
        self._consumer_map = mmap.mmap(map_fd, PAGE_BYTES)
        self._producer_map = mmap.mmap(
            map_fd, PAGE_BYTES + 2 * size_bytes, prot=mmap.PROT_READ, offset=PAGE_BYTES
        )
        # Aligned 64-bit loads and stores, which are single instructions on 64-bit machines.
        self._consumer = memoryview(self._consumer_map).cast("Q")
        self._producer = memoryview(self._producer_map)[:8].cast("Q")

    def __enter__(self) -> Ring:
        return self

    def __exit__(self, *exc: object) -> None:
        self._consumer.release()
        self._producer.release()
        self._consumer_map.close()
        try:
            self._producer_map.close()
        except BufferError:
            pass  # an array still looks into the mapping; it goes with the last one

    @property
    def produced(self) -> int:
        """Records that programs have put in since the start, as the kernel counts."""
        return int(self._producer[0]) // self._slot.itemsize

    @property
    def consumed(self) -> int:
        """Records given back to the kernel since the start."""
        return int(self._consumer[0]) // self._slot.itemsize

    @property
    def fill(self) -> float:
        """How much of the ring holds what was not read yet, finished or not: 0 to 1."""
        return (int(self._producer[0]) - int(self._consumer[0])) / self._size_bytes

    def peek(self, most: int) -> tuple[np.ndarray[Any, np.dtype[np.void]], bool]:
        """Up to `most` finished records, oldest first, and whether those are all.

        The records are a view, valid until `release`. One that another CPU is still writing ends
        it. Raises CorruptRing.
        """
        start = int(self._consumer[0])
        there = (int(self._producer[0]) - start) // self._slot.itemsize
        count = min(there, most)
        slots = np.frombuffer(
            self._producer_map,
            dtype=self._slot,
            count=count,
            offset=PAGE_BYTES + start % self._size_bytes,
        )
        odd = np.flatnonzero(slots["length"] != self._record_bytes)
        if odd.size:
            first = int(odd[0])
            if not int(slots["length"][first]) & BUSY:
                raise CorruptRing(f"a record of length {int(slots['length'][first]):#x}")
            slots = slots[:first]
        return slots, len(slots) == there

    def release(self, count: int) -> None:
        """Give `count` records back to the kernel; views on them must not be used any more."""
        self._consumer[0] += count * self._slot.itemsize
