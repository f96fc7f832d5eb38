# SPDX-License-Identifier: Apache-2.0
"""Numbers as texts, and texts put together from others, all rows at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.tracer.text_columns import HEX_DIGITS, Table, Texts, from_spans, offsets_of

# Multipliers of `unique_rows`: any odd numbers do; these differ in each process, so that nobody
# can choose numbers that collide.
_MULTIPLIERS = np.random.default_rng().integers(0, 2**63, 16, dtype=np.uint64) * 2 + 1


def decimal(values: np.ndarray[Any, Any]) -> Texts:
    """Return integers of shape (n,), of any width, as decimal digits."""
    negative = values < 0
    rest = values.astype(np.uint64)
    rest = np.where(negative, ~rest + np.uint64(1), rest)  # two's complement
    width = len(str(int(rest.max(initial=0)))) + 1  # one for a minus
    digits = np.empty((len(rest), width), dtype=np.uint8)
    sizes = np.ones(len(rest), dtype=np.int32)
    for place in range(width - 1, 0, -1):
        if place < width - 1:
            sizes += rest > 0
        rest, digit = np.divmod(rest, np.uint64(10))
        digits[:, place] = digit.astype(np.uint8) + ord("0")
    digits[negative, width - 1 - sizes[negative]] = ord("-")
    sizes += negative
    ends = np.arange(1, len(sizes) + 1, dtype=np.int64) * width
    return from_spans(digits.reshape(-1), ends - sizes, sizes)


def hex_digits(texts: Texts) -> Texts:
    """Return the bytes of each text as two hex digits each."""
    digits = np.stack([HEX_DIGITS[texts.data >> 4], HEX_DIGITS[texts.data & 15]], axis=1)
    return replace(texts, offsets=texts.offsets * np.int32(2), data=digits.reshape(-1))


def join(rows: int, *pieces: Texts | str) -> Texts:
    """Return the pieces of each of `rows` rows one after the other.

    A `str` is the same in every row. The result has no `valid`.
    """
    constant = np.zeros(rows, dtype=np.int64)
    texts = [Table((p,)).take(constant) if isinstance(p, str) else p for p in pieces]
    sizes = sum((text.sizes for text in texts), np.zeros(rows, dtype=np.int32))
    offsets = offsets_of(sizes)
    data = np.empty(int(offsets[-1]), dtype=np.uint8)
    at = offsets[:-1].astype(np.int64)
    for text in texts:
        places = np.repeat(at - text.offsets[:-1], text.sizes)
        places += np.arange(len(places))
        data[places] = text.data
        at += text.sizes
    return Texts(offsets, data)


def by_distinct(columns: Sequence[np.ndarray[Any, Any]], text: Callable[..., str]) -> Texts:
    """Return `text` of the numbers in each row, called once for each distinct row.

    `columns` are of shape (n,), of uint64.
    """
    first, codes = unique_rows(columns)
    rows = zip(*(column[first].tolist() for column in columns), strict=True)
    return Table(tuple(text(*row) for row in rows)).take(codes)


def unique_rows(
    columns: Sequence[np.ndarray[Any, Any]],
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the places of the first of each distinct row, and for each row which of them it is.

    Sorts a hash of each row instead of rows, which takes a tenth of the time.
    """
    mixed = np.zeros(len(columns[0]), dtype=np.uint64)
    for column, multiplier in zip(columns, _MULTIPLIERS, strict=False):
        mixed = (mixed ^ column) * multiplier
        mixed ^= mixed >> np.uint64(32)
    _, first, codes = np.unique(mixed, return_index=True, return_inverse=True)
    if all((column[first][codes] == column).all() for column in columns):
        return first, codes
    _, first, codes = np.unique(  # two rows have one hash: never seen, yet possible
        np.stack(columns, axis=1), axis=0, return_index=True, return_inverse=True
    )
    return first, codes.reshape(-1)
