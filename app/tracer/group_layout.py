# SPDX-License-Identifier: Apache-2.0
"""The layout of a group of calls (bpf/template/groups.c) and the slots that describe it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from app.columns.aggregate import AVERAGE, MAX_MEASURES, MINIMUM, SUM, Aggregate
from app.columns.aggregate_plan import HEAD_KEYS, KEY_TEXT_BYTES, Source, key_sources, number_of
from app.columns.plan import Plan
from app.filters.kernel_filter import PATH_OPEN, TEXT_CUT
from app.linux import bpf
from app.tracer.any_records import HEAD, HEAD_BYTES
from app.tracer.compiled_object import MapSpec

MAP = "groups"
_SIZE_WORDS = 1 + KEY_TEXT_BYTES // 8  # of a text in a key: its size, then its bytes
_PLACES_PER_GROUP = 2  # so that a group finds a place after few tries
_TOP_BIT = 1 << 63

# Numbers of slots.
_KEY, _STRIDE, _MEASURE, _HISTOGRAM, _TEXT = 0x500, 0x10, 0x600, 0x640, 0x660
_WORDS, _MASK, _MOST, _MARKS, _MARKS_AT, _BUCKET_AT = 0x680, 0x682, 0x683, 0x684, 0x685, 0x686
_NUMBERS, _TEXTS, _MEASURES = 0x687, 0x688, 0x689  # how many of each
_KINDS = {SUM: 1, AVERAGE: 1}  # others are 2: a maximum
_WORD, _HALF_WORD, _OF_VALUE, _ERROR_WORD, _ERROR_VALUE = 1, 2, 3, 4, 5

_HEAD = np.dtype(HEAD)
assert _HEAD.fields is not None


@dataclass(frozen=True)
class KeyNumber:
    """A number of a key: `size` bytes at `offset` in a record, both in bytes."""

    offset: int
    size: int
    value: int | None = None  # which value of the plan it is
    is_error: bool = False


class GroupLayout:
    """Where a plan's programs keep what they count.

    A key has the numbers, then the marks of values and texts (if it has any), the bucket (with a
    histogram), and the texts.
    """

    def __init__(self, plan: Plan, aggregate: Aggregate) -> None:
        self.plan, self.aggregate = plan, aggregate
        outputs = [plan.outputs[number] for number in aggregate.by]
        sources: dict[Source, None] = {}
        for output in outputs:
            sources.update(dict.fromkeys(key_sources(output) or ()))
        self.numbers = [each for source in sources for each in _numbers_at(source)]
        self.texts = sorted({text for output in outputs for text in output.texts})
        values = {each.value for each in self.numbers if each.value is not None}
        self._unreadable = sum(1 << value for value in values)
        self._flags = sum((TEXT_CUT | PATH_OPEN) << text for text in self.texts)
        self.marks_at = len(self.numbers) if values or self.texts else None
        end = len(self.numbers) + (self.marks_at is not None)
        self.bucket_at = end if aggregate.histogram else None
        self._texts_at = end + (self.bucket_at is not None)
        self.words = max(1, self._texts_at + len(self.texts) * _SIZE_WORDS)

    def text_at(self, place: int) -> int:
        """Return the word of a key where the size of its text `place` is."""
        return self._texts_at + place * _SIZE_WORDS

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """The type of a group in the map."""
        measure = np.dtype([("known", "<u8"), ("total", "<u8")])
        return np.dtype(
            [
                ("is_taken", "<u8"),
                ("calls", "<u8"),
                ("measures", measure, (MAX_MEASURES,)),
                ("key", "<u8", (self.words,)),
            ]
        )

    @property
    def places(self) -> int:
        """How many groups each processor has room for, a power of 2."""
        return 1 << (self.aggregate.groups * _PLACES_PER_GROUP - 1).bit_length()

    def sized(self, spec: MapSpec) -> MapSpec:
        """Return the map of groups, of all processors, one after the other."""
        return replace(
            spec,
            value_size=self.dtype.itemsize,
            max_entries=self.places * bpf.possible_cpus(),
            flags=spec.flags | bpf.MAP_FLAG_MMAPABLE,
        )

    def constants(self) -> dict[int, int]:
        """Return the number of each slot that is not 0."""
        found = {
            _WORDS: self.words,
            _MASK: self.places - 1,
            _MOST: self.aggregate.groups,
            _NUMBERS: len(self.numbers),
            _TEXTS: len(self.texts),
            _MEASURES: len(self.aggregate.measures),
        }
        for place, number in enumerate(self.numbers):
            found |= _field(_KEY + place * _STRIDE, number)
        if self.marks_at is not None:
            found |= {_MARKS: self._flags << 32 | self._unreadable, _MARKS_AT: self.marks_at}
        for place, text in enumerate(self.texts):
            at = _TEXT + place * _STRIDE
            found |= {at: 1, at + 1: text, at + 2: self.text_at(place)}
        for place, measure in enumerate(self.aggregate.measures):
            at = _MEASURE + place * _STRIDE
            source = self.source(measure.output)
            (number,) = _numbers_at(source)
            found |= _field(at, number)
            found |= {at + 7: _KINDS.get(measure.kind, 2), at + 6: flip_of(measure.kind, source)}
        histogram = self.aggregate.histogram
        if histogram is not None and self.bucket_at is not None:
            source = self.source(histogram.output)
            (number,) = _numbers_at(source)
            found |= _field(_HISTOGRAM, number)
            found |= {
                _HISTOGRAM + 4: int(source.signed),
                _HISTOGRAM + 6: histogram.low,
                _HISTOGRAM + 7: histogram.step,
                _HISTOGRAM + 8: histogram.buckets,
                _BUCKET_AT: self.bucket_at,
            }
        return found

    def source(self, output: int) -> Source:
        """Return the number that an output is."""
        source = number_of(self.plan, self.plan.outputs[output])
        assert source is not None
        return source


def flip_of(kind: str, source: Source) -> int:
    """Return which bits of a number are turned around before the maximum of it is kept."""
    if kind in _KINDS:
        return 0
    signed = _TOP_BIT if source.signed else 0
    return signed ^ (0xFFFFFFFFFFFFFFFF if kind == MINIMUM else 0)


def _numbers_at(source: Source) -> Iterator[KeyNumber]:
    if source.value is not None:
        yield KeyNumber(HEAD_BYTES + 8 * source.value, 8, source.value, source.is_error)
        return
    assert source.head is not None and _HEAD.fields is not None
    dtype, offset = _HEAD.fields[source.head][:2]
    for word in range(HEAD_KEYS[source.head]):
        yield KeyNumber(offset + 8 * word, min(8, dtype.itemsize), is_error=source.is_error)


def _field(at: int, number: KeyNumber) -> dict[int, int]:
    offset = number.offset & ~7
    is_value = number.value is not None
    if number.size < 8:
        kind = _HALF_WORD
    elif number.is_error:
        kind = _ERROR_VALUE if is_value else _ERROR_WORD
    else:
        kind = _OF_VALUE if is_value else _WORD
    right = 64 - 8 * number.size
    left = right - 8 * (number.offset - offset)
    return {at: kind, at + 1: offset, at + 2: left, at + 3: right, at + 5: number.value or 0}
