# SPDX-License-Identifier: Apache-2.0
"""The ring reader on memory laid out as the kernel's: a FAKE ring, in a file mapped like one.

The reader on a real BPF ring buffer is tested with real probes in tests/integration and
tests/kernels; here are the corners that a real one reaches seldom.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

import numpy as np
import pytest

from app.tracer.any_records import slot_dtype
from app.tracer.rings import BUSY, CorruptRingError, Ring

PAGE = mmap.PAGESIZE
SLOT = slot_dtype(0, 64)
RECORD = SLOT.itemsize - 8


class FakeRing:
    """A file in place of the map; the data is not mapped twice, so it must not wrap here."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("ring")
        os.ftruncate(self.fd, 4 * PAGE)
        self.memory = mmap.mmap(self.fd, 4 * PAGE)

    def put(self, count: int, *, length: int = RECORD) -> None:
        position = int.from_bytes(self.memory[PAGE : PAGE + 8], "little")
        for _ in range(count):
            at = 2 * PAGE + position
            self.memory[at : at + 4] = length.to_bytes(4, "little")
            self.memory[at + 24 + 8 : at + 24 + 12] = (position // SLOT.itemsize).to_bytes(
                4, "little"
            )
            position += SLOT.itemsize
        self.memory[PAGE : PAGE + 8] = position.to_bytes(8, "little")


@pytest.fixture
def fake() -> Iterator[FakeRing]:
    ring = FakeRing()
    yield ring
    ring.memory.close()
    os.close(ring.fd)


def pids(slots: np.ndarray) -> list[int]:  # type: ignore[type-arg]
    return [int(pid) for pid in slots["pid"]]


def test_records_come_in_order_and_once(fake: FakeRing) -> None:
    with Ring(fake.fd, PAGE, SLOT) as ring:
        fake.put(3)
        assert pids(ring.peek(10)[0]) == [0, 1, 2]
        ring.release(2)
        assert pids(ring.peek(10)[0]) == [2]
        fake.put(1)
        assert pids(ring.peek(1)[0]) == [2]
        assert pids(ring.peek(10)[0]) == [2, 3]
        ring.release(2)
        assert len(ring.peek(10)[0]) == 0
        assert (ring.produced, ring.consumed) == (4, 4)


def test_a_record_still_being_written_ends_the_view(fake: FakeRing) -> None:
    with Ring(fake.fd, PAGE, SLOT) as ring:
        fake.put(2)
        fake.put(1, length=RECORD | BUSY)
        fake.put(1)
        view, all_there = ring.peek(10)
        assert (len(view), all_there) == (2, False)


def test_a_record_of_another_size_is_refused(fake: FakeRing) -> None:
    with Ring(fake.fd, PAGE, SLOT) as ring:
        fake.put(1)
        fake.put(1, length=RECORD + 8)
        with pytest.raises(CorruptRingError):
            ring.peek(10)


def test_a_slot_that_the_kernel_would_pad_is_refused(fake: FakeRing) -> None:
    with pytest.raises(ValueError, match="8 bytes"):
        Ring(fake.fd, PAGE, np.dtype([("x", "u1", (13,))]))
