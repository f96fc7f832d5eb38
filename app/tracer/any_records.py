# SPDX-License-Identifier: Apache-2.0
"""The layout of the records that any plan's programs write (bpf/template/), and batches of them.

After the fixed head come the numbers of `Plan.values`, 8 bytes each, then an area with the bytes
of the texts of `Plan.texts`, packed one after the other without NUL. Each ring has an area of one
size. All numbers are little-endian.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from app.columns.plan import DATA_LOC, MAX_TEXT_BYTES, MAX_TEXTS, PATH_AT, STRING, Plan
from app.filters.kernel_filter import PATH_OPEN, TEXT_CUT
from app.tracer import text_columns
from app.tracer.records import HEADER
from app.tracer.text_columns import Bytes, Sizes, Texts

Records = np.ndarray[Any, np.dtype[np.void]]
Numbers64 = np.ndarray[Any, np.dtype[np.uint64]]
Places = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
# From the kernel's timestamps to the nanoseconds to add for wall-clock time: one, or one for each.
WallOffset = Callable[[np.ndarray[Any, Any]], int | np.ndarray[Any, Any]]

HEAD = [
    ("entry_ns", "<u8"),
    ("latency_ns", "<u8"),
    ("ret", "<i8"),
    ("pid", "<u4"),
    ("tid", "<u4"),
    ("uid", "<u4"),
    ("cpu", "<u4"),
    ("flags", "<u4"),  # marks of texts (app/filters/kernel_filter.py)
    ("unreadable", "<u4"),  # bit i: value i could not be read
    ("text_size", "<i4", (MAX_TEXTS,)),  # bytes of text i, or TEXT_UNREADABLE
    ("comm", "u1", (16,)),
    ("process", "u1", (16,)),
]
HEAD_BYTES = 96
TEXT_UNREADABLE = -1

# Ring (map) name -> bytes of the text area of its records. A plan without texts uses the first
# only, with no area.
TEXT_BYTES = {"ring_short": 64, "ring_medium": 256, "ring_large": 1024, "ring_long": 8192}


def text_limits(plan: Plan) -> list[int]:
    """Return how many bytes each text may have, with a NUL where the kernel writes one.

    Together they are no more than a record has room for.
    """
    share = min(MAX_TEXT_BYTES, TEXT_BYTES["ring_long"] // max(1, len(plan.texts)))
    return [
        min(share, text.max_bytes + (text.kind in (STRING, DATA_LOC, PATH_AT)))
        for text in plan.texts
    ]


def text_areas(plan: Plan) -> dict[str, int]:
    """Return the rings that a plan's programs use, with the bytes of their text areas.

    The last has room for the longest texts that the plan can have, and no more.
    """
    longest, found = sum(text_limits(plan)), {}
    for ring, size in TEXT_BYTES.items():
        found[ring] = min(size, -(-longest // 8) * 8)  # as values are aligned
        if longest <= size:
            break
    return found


def slot_dtype(values: int, text_bytes: int) -> np.dtype[np.void]:
    """Return the type of a record with its ring buffer header, as it is in memory."""
    return np.dtype([*HEADER, *HEAD, ("values", "<u8", (values,)), ("texts", "u1", (text_bytes,))])


def slots(plan: Plan) -> dict[str, np.dtype[np.void]]:
    """Return the type of the records in each ring that a plan's programs use."""
    return {ring: slot_dtype(len(plan.values), size) for ring, size in text_areas(plan).items()}


@dataclass(frozen=True)
class Span:
    """Where one text of each row is in all bytes of a batch, in arrays of shape (n,)."""

    starts: Places
    sizes: Sizes
    valid: Mask


class Batch:
    """The records of several rings as one table, ordered by entry time; ties keep their order.

    Arrays have shape (n,). What was asked for once is kept.
    """

    def __init__(self, plan: Plan, parts: Sequence[Records], wall_offset_ns: WallOffset) -> None:
        self.plan = plan
        self._wall_offset_ns = wall_offset_ns
        self._parts = [np.ascontiguousarray(part) for part in parts]
        self._values: dict[int, Numbers64] = {}
        self._texts: dict[int, Texts] = {}
        entry = np.concatenate([part["entry_ns"] for part in self._parts])
        is_ordered = bool((entry[1:] >= entry[:-1]).all())
        self._order = None if is_ordered else np.argsort(entry, kind="stable")
        self.rows = len(entry)

    def head(self, name: str) -> np.ndarray[Any, Any]:
        """Return a member of the head."""
        return self._in_order([part[name] for part in self._parts])

    def value(self, index: int) -> Numbers64:
        """Return value `index` of the plan; of those that could not be read any number."""
        if index not in self._values:
            self._values[index] = self._in_order([part["values"][:, index] for part in self._parts])
        return self._values[index]

    def readable(self, values: Sequence[int]) -> Mask | None:
        """Return in which rows all these values could be read; None if in all."""
        bits = sum(1 << index for index in set(values))
        unreadable = self._unreadable & np.uint32(bits)
        return unreadable == 0 if unreadable.any() else None

    def raw_text(self, index: int) -> Texts:
        """Return text `index` of the plan, as its bytes; invalid where it could not be read."""
        if index not in self._texts:
            span = self._spans[index]
            found = text_columns.from_spans(self._bytes, span.starts, span.sizes)
            self._texts[index] = Texts(found.offsets, found.data, span.valid)
        return self._texts[index]

    def cut(self, index: int) -> dict[str, Mask]:
        """Return where the beginning (`before`) or the end (`after`) of a text is missing."""
        valid = self._spans[index].valid
        return {
            "before": (self._flags & np.uint32(PATH_OPEN << index) != 0) & valid,
            "after": (self._flags & np.uint32(TEXT_CUT << index) != 0) & valid,
        }

    @cached_property
    def entry_ns(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Times of entry by the kernel's monotonic clock."""
        return self.head("entry_ns").astype(np.int64)

    @property
    def wall_ns(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Times of entry since 1970."""
        return self.entry_ns + self._wall_offset_ns(self.entry_ns)

    @cached_property
    def _flags(self) -> np.ndarray[Any, Any]:
        return self.head("flags")

    @cached_property
    def _unreadable(self) -> np.ndarray[Any, Any]:
        return self.head("unreadable")

    @cached_property
    def _spans(self) -> list[Span]:
        """Where each text is. Raises ValueError if texts of a record exceed its area."""
        areas, ends = zip(*self._text_areas(), strict=True)
        starts, end = self._in_order(areas), self._in_order(ends)
        spans = []
        for index in range(len(self.plan.texts)):
            stated = self._in_order([part["text_size"][:, index] for part in self._parts])
            sizes = np.maximum(stated, 0)
            spans.append(Span(starts, sizes, stated != TEXT_UNREADABLE))
            starts = starts + sizes
        if (starts > end).any():
            raise ValueError("the texts of a record are longer than its text area")
        return spans

    def _text_areas(self) -> Iterator[tuple[Places, Places]]:
        """Yield where the text areas of each part's records begin and end in `_bytes`."""
        before = 0
        for part in self._parts:
            width, area = part.dtype.itemsize, part["texts"].shape[1]
            ends = before + width * np.arange(1, len(part) + 1)  # the area is a record's end
            yield ends - area, ends
            before += width * len(part)

    @cached_property
    def _bytes(self) -> Bytes:
        """All records as bytes, one part after the other."""
        raw = [part.view(np.uint8) for part in self._parts]
        return raw[0] if len(raw) == 1 else np.concatenate(raw)

    def _in_order(self, parts: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        values: np.ndarray[Any, Any] = np.concatenate(parts)
        return values if self._order is None else values[self._order]
