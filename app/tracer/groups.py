# SPDX-License-Identifier: Apache-2.0
"""Reading the groups that a plan's programs count, and what clients are sent of them.

The map is read where it is, by mmap: reading costs what there are groups, however many calls. A
group that is being made is not taken yet; of one being counted, each number is whole.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.columns.aggregate import AVERAGE, SUM
from app.columns.aggregate_plan import KEY_TEXT_BYTES, aggregate_columns
from app.columns.plan import Plan
from app.filters.kernel_filter import TEXT_CUT
from app.linux import bpf
from app.tracer.any_records import Batch, slot_dtype
from app.tracer.arrow import Numbers, Stream
from app.tracer.decoders import DECODERS
from app.tracer.group_layout import GroupLayout, flip_of

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class GroupTable:
    """Groups of all processors, each key once. Arrays have shape (n,), `keys` (n, words)."""

    keys: Array
    calls: Array
    known: list[Array]  # of each measure: of how many calls it is
    totals: list[Array]  # sums, or maxima as the programs keep them


class Groups:
    """The map of groups. A context manager; the caller owns the map's descriptor."""

    def __init__(self, layout: GroupLayout, map_fd: int) -> None:
        self._layout = layout
        count = layout.places * bpf.possible_cpus()
        size = -(-count * layout.dtype.itemsize // mmap.PAGESIZE) * mmap.PAGESIZE
        self._map = mmap.mmap(map_fd, size, prot=mmap.PROT_READ)
        self._places = np.frombuffer(self._map, dtype=layout.dtype, count=count)

    def __enter__(self) -> Groups:
        return self

    def __exit__(self, *exc: object) -> None:
        del self._places
        try:
            self._map.close()
        except BufferError:
            pass  # an array still refers to the mapping, which is freed with the last one

    def table(self) -> GroupTable:
        """Return what was counted so far."""
        found = self._places[self._places["is_taken"] != 0]
        keys = np.ascontiguousarray(found["key"])
        whole = keys.view(np.dtype((np.void, keys.shape[1] * 8))).reshape(-1)
        _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
        inverse = inverse.reshape(-1)
        calls = _sums(found["calls"], inverse, len(first))
        known, totals = [], []
        for place, measure in enumerate(self._layout.aggregate.measures):
            numbers = found["measures"][:, place]
            known.append(_sums(numbers["known"], inverse, len(first)))
            total = np.zeros(len(first), dtype=np.uint64)
            add = np.add if measure.kind in (SUM, AVERAGE) else np.maximum
            add.at(total, inverse, numbers["total"])
            totals.append(total)
        return GroupTable(keys[first], calls, known, totals)


def _sums(numbers: Array, groups: Array, count: int) -> Array:
    sums = np.zeros(count, dtype=np.uint64)
    np.add.at(sums, groups, numbers)
    return sums


def _key_columns(layout: GroupLayout, keys: Array) -> Array:
    """Return records that have what the keys have of them."""
    plan = layout.plan
    text_bytes = KEY_TEXT_BYTES * max(1, len(layout.texts))
    records = np.zeros(len(keys), dtype=slot_dtype(len(plan.values), text_bytes))
    raw = records.view(np.uint8).reshape(len(keys), records.dtype.itemsize)
    head_at = records.dtype.fields["entry_ns"][1]  # type: ignore[index]
    # Errors alone first: a number that is whole takes their place.
    for place in sorted(range(len(layout.numbers)), key=lambda n: not layout.numbers[n].is_error):
        number = layout.numbers[place]
        begin = head_at + number.offset
        column = np.ascontiguousarray(keys[:, place])
        raw[:, begin : begin + number.size] = column.view(np.uint8).reshape(-1, 8)[:, : number.size]
    if layout.marks_at is not None:
        marks = keys[:, layout.marks_at]
        records["unreadable"] = marks & np.uint64(0xFFFFFFFF)
        records["flags"] = marks >> np.uint64(32)
    ends = np.zeros(len(keys), dtype=np.int64)
    for place, text in enumerate(layout.texts):
        at = layout.text_at(place)
        sizes = np.ascontiguousarray(keys[:, at]).view(np.int64)
        kept = np.minimum(sizes, KEY_TEXT_BYTES - 1)
        records["text_size"][:, text] = kept
        records["flags"] |= np.where(sizes > kept, TEXT_CUT << text, 0).astype(np.uint32)
        texts = np.ascontiguousarray(keys[:, at + 1 : layout.text_at(place + 1)]).view(np.uint8)
        for row, size in enumerate(kept.tolist()):
            if size > 0:
                records["texts"][row, ends[row] : ends[row] + size] = texts[row, :size]
        ends += np.maximum(kept, 0)
    return records


class GroupEncoder:
    """Encodes what was counted as self-contained Arrow IPC streams (docs/protocol.md)."""

    def __init__(self, probe: str, run: int, plan: Plan) -> None:
        assert plan.aggregate is not None
        self.layout = GroupLayout(plan, plan.aggregate)
        self._by = [plan.outputs[number] for number in plan.aggregate.by]
        self._about = {
            "kind": "aggregate",
            "probe": probe,
            "mode": plan.mode,
            "run": str(run),
        }
        self._columns = aggregate_columns(plan, plan.aggregate)

    def encode(self, table: GroupTable, about: Mapping[str, str]) -> tuple[int, bytes]:
        """Return how many rows, and the groups with the most calls, with `about` as metadata.

        A row is a group, or one bucket of it.
        """
        groups, rows = self._top(table)
        keys = table.keys[rows]
        records = _key_columns(self.layout, keys)
        batch = Batch(self.layout.plan, [records], lambda _: 0)
        cells = [DECODERS[output.decoder](batch, output) for output in self._by]
        if self.layout.bucket_at is not None:
            cells += self._bounds(keys[:, self.layout.bucket_at])
        cells.append(Numbers(table.calls[rows]))
        cells += [self._measure(table, n, rows) for n in range(len(table.totals))]
        stream = Stream({**self._about, **about, "groups": str(groups)}, self._columns)
        return len(rows), stream.write(len(rows), cells)

    def _top(self, table: GroupTable) -> tuple[int, Array]:
        """Return how many groups there are, and the rows of those shown, by their calls."""
        top = self.layout.aggregate.top
        if self.layout.bucket_at is None:
            order = np.argsort(-table.calls.astype(np.int64), kind="stable")
            return len(order), order[:top]
        others = np.arange(self.layout.words) != self.layout.bucket_at
        alone = table.keys[:, others]
        _, group = np.unique(alone, axis=0, return_inverse=True)
        group = group.reshape(-1)
        count = int(group.max()) + 1 if len(group) else 0
        calls = _sums(table.calls, group, count)
        rank = np.empty(count, dtype=np.int64)
        rank[np.argsort(-calls.astype(np.int64), kind="stable")] = np.arange(count)
        rows = np.flatnonzero(rank[group] < top)
        buckets = table.keys[rows, self.layout.bucket_at]
        return count, rows[np.lexsort((buckets, rank[group[rows]]))]

    def _bounds(self, buckets: Array) -> list[Numbers]:
        """Return the lowest and the highest number of each bucket; null where there is no bound."""
        histogram = self.layout.aggregate.histogram
        assert histogram is not None
        numbers = buckets.astype(np.int64)
        if histogram.step:
            place = numbers - 2
            low = histogram.low + place * histogram.step
            last = histogram.buckets
            has_low = numbers >= 2
            has_high = (numbers >= 1) & (place < last)
            high = np.where(numbers == 1, histogram.low - 1, low + histogram.step - 1)
        else:
            power = np.clip(numbers - 3, 0, 63).astype(np.uint64)
            lowest = np.uint64(1) << power
            low = np.where(numbers == 2, 0, lowest.view(np.int64))
            highest = (lowest - np.uint64(1) + lowest).view(np.int64)
            high = np.where(numbers == 1, -1, np.where(numbers == 2, 0, highest))
            has_low, has_high = numbers >= 2, numbers >= 1
        return [Numbers(low, has_low), Numbers(high, has_high)]

    def _measure(self, table: GroupTable, place: int, rows: Array) -> Numbers:
        measure = self.layout.aggregate.measures[place]
        source = self.layout.source(measure.output)
        known, totals = table.known[place][rows], table.totals[place][rows]
        if measure.kind in (SUM, AVERAGE):
            numbers = totals.view(np.int64) if source.signed else totals
            if measure.kind == AVERAGE:
                numbers = numbers // np.maximum(known, 1).astype(numbers.dtype)
        else:
            numbers = totals ^ np.uint64(flip_of(measure.kind, source))
            numbers = numbers.view(np.int64) if source.signed else numbers
        return Numbers(numbers, known > 0)
