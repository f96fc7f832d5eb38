# SPDX-License-Identifier: Apache-2.0
"""Which records of several rings may be taken together, and the way from rings to batches."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from app.columns.plan import ENTRY, Output, Read
from app.tracer.any_records import TEXT_BYTES, slot_dtype, slots
from app.tracer.clock import WallClock
from app.tracer.cost import RunTime
from app.tracer.decode_plan import PlanEncoder
from app.tracer.drain import MAX_ROWS, Drain, takeable
from app.web.api.rows import rows_of
from tests.support.plan_records import Record, column, plan_of

PAGE = mmap.PAGESIZE
RING_BYTES = 16 * PAGE  # nothing is mapped twice here, so no ring may wrap
PLAN = plan_of(
    [
        Output(column("time", "timestamp_ns"), "head"),
        Output(column("n", "uint64"), "number", (0,)),
        Output(column("path", "text"), "text", (), (0,)),
    ],
    reads=[Read(ENTRY, 0)],
    texts=1,
)


def view(*stamps: int) -> np.ndarray[Any, np.dtype[np.void]]:
    """Records that were written at these times: entry some time before, and the latency."""
    slots = np.zeros(len(stamps), dtype=slot_dtype(0, 64))
    slots["entry_ns"] = [stamp - 5 for stamp in stamps]
    slots["latency_ns"] = 5
    return slots


@pytest.mark.parametrize(
    ("peeked", "before_ns", "counts"),
    [
        ([((10, 20), True), ((15,), True)], 100, [2, 1]),
        ([((), True), ((), True)], 100, [0, 0]),
        # Written after polling began: an earlier one may be in a ring that was polled before it.
        ([((10, 20), True), ((15, 101), True)], 100, [2, 1]),
        ([((101,), True), ((), True)], 100, [0, 0]),
        # A ring has more: take nothing after its last record taken.
        ([((10, 20), False), ((15, 25), True)], 100, [2, 1]),
        # Timestamps are taken before the space in the ring is: not quite in order.
        ([((20, 10), False), ((15, 25), True)], 100, [2, 1]),
        # Nothing in a ring can be read yet, as its first record is still being written.
        ([((), False), ((15,), True)], 100, [0, 0]),
        # The ring that limits the others is itself taken whole, so there is always progress.
        ([((10, 20), False), ((5, 30), False)], 100, [2, 1]),
    ],
)
def test_counts(
    peeked: list[tuple[tuple[int, ...], bool]], before_ns: int, counts: list[int]
) -> None:
    assert takeable([(view(*stamps), whole) for stamps, whole in peeked], before_ns) == counts


class FakePrograms:
    """Rings in files, laid out as the kernel's (see test_rings.py), and nothing lost."""

    def __init__(self, slots: Mapping[str, np.dtype[Any]]) -> None:
        self._files = {ring: os.memfd_create(ring) for ring in slots}
        for file in self._files.values():
            os.ftruncate(file, 2 * PAGE + 2 * RING_BYTES)

    def put(self, ring: str, records: bytes) -> None:
        position = int.from_bytes(os.pread(self._files[ring], 8, PAGE), "little")
        os.pwrite(self._files[ring], records, 2 * PAGE + position)
        position += len(records)
        os.pwrite(self._files[ring], position.to_bytes(8, "little"), PAGE)

    def is_empty(self) -> bool:
        return all(not any(os.pread(file, 8, PAGE)) for file in self._files.values())

    def close(self) -> None:
        for file in self._files.values():
            os.close(file)

    def rings(self) -> dict[str, tuple[int, int]]:
        return {ring: (file, RING_BYTES) for ring, file in self._files.items()}

    def drops(self) -> dict[str, int]:
        return {}

    def run_time(self) -> RunTime:
        return RunTime(0, 0)


@pytest.fixture
def programs() -> Iterator[FakePrograms]:
    found = FakePrograms(slots(PLAN))
    yield found
    found.close()


class FakeOutbox:
    """Keeps the rows of each batch."""

    queued_bytes = 0

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []

    def batch(self, rows: int, data: bytes) -> None:
        self.batches.append([*rows_of(data)])
        assert len(self.batches[-1]) == rows

    def message(self, members: dict[str, Any]) -> None:
        raise AssertionError(members)


def test_records_of_a_plan_come_from_all_its_rings(programs: FakePrograms) -> None:
    outbox = FakeOutbox()
    records = [
        Record((n,), (b"t" * size,), entry_ns=n)
        for n, size in enumerate((1025, 64, 4096, 1024, 0, 256, 65, 257, 1))
    ]
    with Drain(programs, outbox, PlanEncoder("reads", 1, PLAN), slots(PLAN)) as drain:  # type: ignore[arg-type]
        for expected in (records[:6], records[6:]):
            for record in expected:
                programs.put(record.ring, record.packed(record.ring))
            assert drain.poll() == len(expected)
        assert drain.poll() == 0
        assert drain.consumed == drain.produced == len(records)
    found = [[(row["n"], len(row["path"])) for row in batch] for batch in outbox.batches]
    wanted = [(n, len(record.texts[0] or b"")) for n, record in enumerate(records)]
    assert found == [wanted[:6], wanted[6:]]


def test_what_comes_after_the_clock_was_read_waits_for_the_next_reading(
    programs: FakePrograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wall clock may have been set in between, and the row would have the time of before."""
    outbox, read = FakeOutbox(), WallClock.sample

    def read_and_then_a_call(clock: WallClock) -> None:
        read(clock)
        if not outbox.batches and programs.is_empty():
            record = Record((7,), (b"t",), entry_ns=clock.now_ns())
            programs.put(record.ring, record.packed(record.ring))

    monkeypatch.setattr(WallClock, "sample", read_and_then_a_call)
    with Drain(programs, outbox, PlanEncoder("reads", 1, PLAN), slots(PLAN)) as drain:  # type: ignore[arg-type]
        assert drain.poll() == 0
        assert drain.poll() == 1


def test_every_ring_has_a_limit_of_rows() -> None:
    assert MAX_ROWS.keys() == TEXT_BYTES.keys()
