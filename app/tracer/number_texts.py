# SPDX-License-Identifier: Apache-2.0
"""Numbers as texts, and texts put together from others, all rows at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.tracer.text_columns import HEX_DIGITS, Bytes, Sizes, Texts, from_spans, unique_rows


@dataclass(frozen=True)
class Spans:
    """`n` texts anywhere in `data`: text i is the `sizes[i]` bytes from `starts[i]` on."""

    data: Bytes
    starts: np.ndarray[Any, np.dtype[np.int64]]
    sizes: Sizes

    def only(self, wanted: np.ndarray[Any, np.dtype[np.bool_]]) -> Spans:
        """Return the texts where `wanted`, of shape (n,), is true, and empty ones elsewhere."""
        return replace(self, sizes=self.sizes * wanted)


def spans_of(texts: Texts) -> Spans:
    """Return texts as spans, in which they may be joined."""
    return Spans(texts.data, texts.offsets[:-1].astype(np.int64), texts.sizes)


def repeated(text: str, rows: int) -> Spans:
    """Return the same text in each of `rows` rows."""
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    return Spans(data, np.zeros(rows, dtype=np.int64), np.full(rows, len(data), dtype=np.int32))


def decimal(values: np.ndarray[Any, Any]) -> Spans:
    """Return integers of shape (n,), of any width, as decimal digits."""
    negative = values < 0
    rest = values.astype(np.uint64)
    rest = np.where(negative, ~rest + np.uint64(1), rest)  # two's complement
    highest = int(rest.max(initial=0))
    if highest < 2**32:
        rest = rest.astype(np.uint32)  # is divided in half the time
    width = len(str(highest)) + 1  # one for a minus
    digits = np.empty((len(rest), width), dtype=np.uint8)
    sizes = np.ones(len(rest), dtype=np.int32)
    for place in range(width - 1, 0, -1):
        if place < width - 1:
            sizes += rest > 0
        tenth = rest // 10
        digits[:, place] = (rest - tenth * 10).astype(np.uint8) + ord("0")
        rest = tenth
    digits[negative, width - 1 - sizes[negative]] = ord("-")
    sizes += negative
    ends = np.arange(1, len(sizes) + 1, dtype=np.int64) * width
    return Spans(digits.reshape(-1), ends - sizes, sizes)


def hex_digits(texts: Texts) -> Texts:
    """Return the bytes of each text as two hex digits each."""
    digits = np.empty((len(texts.data), 2), dtype=np.uint8)
    digits[:, 0] = HEX_DIGITS[texts.data >> 4]
    digits[:, 1] = HEX_DIGITS[texts.data & 15]
    return replace(texts, offsets=texts.offsets * np.int32(2), data=digits.reshape(-1))


def join(rows: int, *pieces: Spans | str) -> Texts:
    """Return the pieces of each of `rows` rows one after the other, all gathered at once.

    A `str` is the same in every row. The result has no `valid`.
    """
    spans = [repeated(each, rows) if isinstance(each, str) else each for each in pieces]
    starts = np.empty((rows, len(spans)), dtype=np.int64)
    sizes = np.empty((rows, len(spans)), dtype=np.int32)
    before = 0
    for number, span in enumerate(spans):
        starts[:, number], sizes[:, number] = before + span.starts, span.sizes
        before += len(span.data)
    data = np.concatenate([span.data for span in spans])
    found = from_spans(data, starts.reshape(-1), sizes.reshape(-1))
    return Texts(found.offsets[:: len(spans)], found.data)


def by_distinct(columns: Sequence[np.ndarray[Any, Any]], text: Callable[..., str]) -> Spans:
    """Return `text` of the numbers in each row, called once for each distinct row.

    `columns` are of shape (n,), of uint64.
    """
    first, codes = unique_rows(columns)
    rows = zip(*(column[first].tolist() for column in columns), strict=True)
    texts = [text(*row).encode() for row in rows]
    sizes = np.array([len(each) for each in texts], dtype=np.int32)
    starts = np.cumsum(sizes, dtype=np.int64) - sizes
    return Spans(np.frombuffer(b"".join(texts), dtype=np.uint8), starts[codes], sizes[codes])
