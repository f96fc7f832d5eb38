# SPDX-License-Identifier: Apache-2.0
"""The layout of any plan's records, as a C compiler would have it, and batches of several rings."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.columns.plan import BYTES, ENTRY, MAX_TEXT_BYTES, MAX_TEXTS, MAX_VALUES, STRING, Read, Text
from app.tracer.any_records import HEAD_BYTES, TEXT_BYTES, Batch, slot_dtype, slots, text_areas
from tests.support.plan_records import HEAD, RING_BYTES, Record, parts_of, plan_of, room_for

HEADER_BYTES = 8


def no_offset(_: np.ndarray[Any, Any]) -> int:
    return 0


def test_members_are_at_their_offsets() -> None:
    fields = slot_dtype(3, 64).fields
    assert fields is not None
    assert {name: place[1] - HEADER_BYTES for name, place in fields.items()} == {
        "length": -8, "page_offset": -4, "entry_ns": 0, "latency_ns": 8, "ret": 16, "pid": 24,
        "tid": 28, "uid": 32, "cpu": 36, "flags": 40, "unreadable": 44, "text_size": 48,
        "comm": 64, "process": 80, "values": 96, "texts": 120,
    }  # fmt: skip
    assert HEAD.size == HEAD_BYTES == 96


@pytest.mark.parametrize("values", range(MAX_VALUES + 1))
def test_records_are_padded_as_the_kernel_pads_them(values: int) -> None:
    reads = [Read(ENTRY, 0)] * values
    for texts in range(MAX_TEXTS + 1):
        for ring, slot in slots(plan_of([], reads=reads, texts=texts)).items():
            room = room_for(ring, texts)
            assert slot.itemsize == HEADER_BYTES + HEAD_BYTES + 8 * values + room
            assert slot.itemsize % 8 == 0


def test_rings() -> None:
    assert list(slots(plan_of([]))) == ["ring_short"]
    assert list(slots(plan_of([], texts=1))) == list(RING_BYTES) == list(TEXT_BYTES)
    assert TEXT_BYTES == RING_BYTES
    assert TEXT_BYTES["ring_long"] >= MAX_TEXT_BYTES


@pytest.mark.parametrize("kind", [STRING, BYTES])
@pytest.mark.parametrize("size", [1, 16, 63, 64, 65, 256, 257, 1024, 1025, 4095, 4096])
def test_the_last_ring_has_room_for_the_longest_texts_and_no_more(kind: str, size: int) -> None:
    plan = replace(plan_of([]), texts=(Text(kind, Read(ENTRY, 0), size),))
    *rings, last = text_areas(plan).values()
    assert rings == list(RING_BYTES.values())[: len(rings)]
    assert size <= last < size + 1 + 8


def test_rows_of_all_rings_are_ordered_by_entry_and_ties_keep_their_order() -> None:
    plan = plan_of([], reads=[Read(ENTRY, 0)], texts=1)
    rng = random.Random(5)
    records = [
        Record((number,), (b"t" * rng.choice((1, 65, 257, 1025)),), rng.randrange(9), pid=number)
        for number in range(50)
    ]
    parts, in_parts = parts_of(plan, records)
    assert len(parts) == 4
    batch = Batch(plan, parts, no_offset)
    wanted = [record.pid for record in sorted(in_parts, key=lambda each: each.entry_ns)]
    assert batch.head("pid").tolist() == batch.value(0).tolist() == wanted


def test_what_could_not_be_read() -> None:
    plan = plan_of([], reads=[Read(ENTRY, 0)] * 16)
    rows: list[tuple[int | None, ...]] = [(1,) * 16, (None, *[1] * 15), (*[1] * 15, None)]
    parts, _ = parts_of(plan, [Record(values) for values in rows])
    batch = Batch(plan, parts, no_offset)
    assert batch.readable((1, 14)) is None
    for values, wanted in (((0,), [True, False, True]), ((3, 15), [True, True, False])):
        readable = batch.readable(values)
        assert readable is not None and readable.tolist() == wanted


def test_wall_clock_offsets_may_differ_by_row() -> None:
    plan = plan_of([])
    parts, _ = parts_of(plan, [Record(entry_ns=7), Record(entry_ns=5)])
    batch = Batch(plan, parts, lambda stamps: stamps * 10)
    assert batch.wall_ns.tolist() == [55, 77]


@pytest.mark.parametrize("sizes", [(65, 0), (0, 65), (33, 32), (2**31 - 1, 2**31 - 1)])
def test_texts_beyond_their_area_are_refused(sizes: tuple[int, int]) -> None:
    plan = plan_of([], texts=2)
    (part,), _ = parts_of(plan, [Record((), (b"a", b"b"))])
    part = part.copy()
    part["text_size"][0, :2] = sizes
    with pytest.raises(ValueError, match="longer than its text area"):
        Batch(plan, [part], no_offset).raw_text(0)
