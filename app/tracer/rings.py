# SPDX-License-Identifier: Apache-2.0
"""Reading a BPF ring buffer of equal records as an array, without a callback for each.

The layout is that of kernel/bpf/ringbuf.c: page 0 has the consumer position, which we write, page 1
the producer position. The data follows, mapped twice in a row, so that a range that wraps around is
contiguous. Positions are bytes since the start and never wrap.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

BUSY = 1 << 31  # in `length`: reserved, but not yet submitted
PAGE_BYTES = mmap.PAGESIZE


class CorruptRingError(Exception):
    """The ring contains something other than the records of our programs."""


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
            pass  # an array still refers to the mapping, which is freed with the last one

    @property
    def produced(self) -> int:
        """Records that programs have reserved since the start, by the kernel's count."""
        return int(self._producer[0]) // self._slot.itemsize

    @property
    def consumed(self) -> int:
        """Records released to the kernel since the start."""
        return int(self._consumer[0]) // self._slot.itemsize

    @property
    def occupancy(self) -> float:
        """The share of the ring that is not yet released, finished or not: 0 to 1."""
        return (int(self._producer[0]) - int(self._consumer[0])) / self._size_bytes

    def peek(self, limit: int) -> tuple[np.ndarray[Any, np.dtype[np.void]], bool]:
        """Return up to `limit` finished records, oldest first, and whether those are all.

        The records are a view, valid until `release`. It ends before a record that another CPU is
        still writing. Raises CorruptRingError.
        """
        start = int(self._consumer[0])
        available = (int(self._producer[0]) - start) // self._slot.itemsize
        count = min(available, limit)
        slots = np.frombuffer(
            self._producer_map,
            dtype=self._slot,
            count=count,
            offset=PAGE_BYTES + start % self._size_bytes,
        )
        lengths = slots["length"].copy()  # another CPU may finish a record between two reads of it
        unexpected = np.flatnonzero(lengths != self._record_bytes)
        if unexpected.size:
            first = int(unexpected[0])
            length = int(lengths[first])
            if not length & BUSY:
                raise CorruptRingError(
                    f"a record of length {length:#x} instead of {self._record_bytes:#x}"
                )
            slots = slots[:first]
        return slots, len(slots) == available

    def release(self, count: int) -> None:
        """Release `count` records to the kernel; views of them become invalid."""
        self._consumer[0] += count * self._slot.itemsize
