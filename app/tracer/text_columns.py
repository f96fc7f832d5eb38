# SPDX-License-Identifier: Apache-2.0
"""Many texts as one Arrow buffer of offsets and bytes, without Python code for each text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Sizes = np.ndarray[Any, np.dtype[np.int32]]
Valid = np.ndarray[Any, np.dtype[np.bool_]]
ELLIPSIS = "…"
# Texts are gathered by so many bytes at once, so that the 8 bytes of index for each of them stay in
# the processor's cache: 60 ns for 22 bytes, where all at once takes 75 to 210.
CHUNK_BYTES = 1 << 16
_ELLIPSIS_BYTES = np.frombuffer(ELLIPSIS.encode(), dtype=np.uint8)
HEX_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)

# Multipliers of `unique_rows`: any odd numbers do; these differ in each process, so that nobody
# can choose numbers that collide.
_MULTIPLIERS = np.random.default_rng().integers(0, 2**63, 17, dtype=np.uint64) * 2 + 1
HASH_BITS = 20


@dataclass(frozen=True)
class Texts:
    """`n` texts: `offsets` has shape (n + 1,), `data` all bytes, `valid` shape (n,) or is None."""

    offsets: Sizes
    data: Bytes
    valid: np.ndarray[Any, np.dtype[np.bool_]] | None = None

    @property
    def sizes(self) -> Sizes:
        """Bytes of each text, of shape (n,)."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class Coded:
    """`n` texts, each one of a table: `codes` has shape (n,), `valid` too, or is None."""

    codes: np.ndarray[Any, np.dtype[np.int32]]
    table: Texts
    valid: Valid | None = None

    def expanded(self) -> Texts:
        """Return the texts one after the other."""
        starts = self.table.offsets[self.codes].astype(np.int64)
        found = from_spans(self.table.data, starts, self.table.sizes[self.codes])
        return replace(found, valid=self.valid)


def from_matrix(matrix: Bytes, sizes: Sizes) -> Texts:
    """Return the first `sizes[i]` bytes of each row of a matrix of shape (n, width)."""
    return as_utf8(offsets_of(sizes), _heads(matrix, sizes))


def from_parts(parts: list[tuple[Bytes, Sizes]], order: np.ndarray[Any, Any] | None) -> Texts:
    """As `from_matrix` for matrices of several widths, with their rows in `order`.

    `order[i]` is the row, counted through all parts, at position i; None keeps the order.
    """
    found = raw_parts(parts, order)
    return as_utf8(found.offsets, found.data)


def raw_parts(parts: list[tuple[Bytes, Sizes]], order: np.ndarray[Any, Any] | None) -> Texts:
    """As `from_parts`, with the bytes as they are."""
    if len(parts) == 1:
        matrix, sizes = parts[0]
        if order is not None:
            matrix, sizes = matrix[order], sizes[order]
        return Texts(offsets_of(sizes), _heads(matrix, sizes))
    all_sizes = np.concatenate([sizes for _, sizes in parts])
    if order is None:
        data = np.concatenate([_heads(matrix, sizes) for matrix, sizes in parts])
        return Texts(offsets_of(all_sizes), data)
    offsets = offsets_of(all_sizes[order])
    data = np.empty(int(offsets[-1]), dtype=np.uint8)
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    first = 0
    for matrix, sizes in parts:
        mask = _mask(sizes)
        starts = offsets[position[first : first + len(sizes)]].astype(np.int64)
        targets = starts[:, None] + np.arange(mask.shape[1])
        data[targets[mask]] = matrix[:, : mask.shape[1]][mask]
        first += len(sizes)
    return Texts(offsets, data)


def without_dots(texts: Texts) -> Texts:
    """Return paths without the steps that lead nowhere: `/a/./b` and `/a//b` become `/a/b`.

    `..` stays: what is before it may be a symbolic link. They are not made UTF-8.
    """
    data = texts.data
    is_slash = data == ord("/")
    after_slash = np.zeros(len(data) + 1, dtype=np.bool_)
    after_slash[1:] = is_slash
    after_slash[texts.offsets[:-1]] = False  # that of the text before
    ends = np.zeros(len(data) + 1, dtype=np.bool_)  # whether a step ends before this byte
    ends[:-1] = is_slash
    ends[texts.offsets] = True
    is_dot = (data == ord(".")) & after_slash[:-1] & ends[1:]
    is_left_out = (is_slash & after_slash[:-1]) | is_dot
    is_left_out[1:] |= is_dot[:-1] & is_slash[1:] & ~_begins(texts)[1:]
    if not is_left_out.any():
        return texts
    before = np.zeros(len(data) + 1, dtype=np.int32)
    np.cumsum(is_left_out, out=before[1:])
    return replace(texts, offsets=texts.offsets - before[texts.offsets], data=data[~is_left_out])


def _begins(texts: Texts) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which bytes are the first of a text."""
    first = np.zeros(len(texts.data) + 1, dtype=np.bool_)
    first[texts.offsets[:-1]] = True
    return first[:-1]


def from_spans(data: Bytes, starts: np.ndarray[Any, Any], sizes: Sizes) -> Texts:
    """Return the texts of `sizes[i]` bytes from `starts[i]` of `data` on, as they are.

    They may be in any order, and are not made UTF-8.
    """
    offsets = offsets_of(sizes)
    found = np.empty(int(offsets[-1]), dtype=np.uint8)
    shifts = starts - offsets[:-1]
    bounds = np.searchsorted(offsets, np.arange(0, len(found), CHUNK_BYTES))
    for first, last in pairwise([*np.unique(bounds).tolist(), len(sizes)]):
        begin, end = int(offsets[first]), int(offsets[last])
        places = np.repeat(shifts[first:last], sizes[first:last])
        places += np.arange(begin, end)
        found[begin:end] = data[places]
    return Texts(offsets, found)


def _mask(sizes: Sizes) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which bytes belong to texts, in a matrix as wide as the longest text.

    Most texts are much shorter than a record's room for them, and the rest need not be read.
    """
    width = int(sizes.max(initial=0))
    mask: np.ndarray[Any, np.dtype[np.bool_]] = np.arange(width, dtype=np.int32) < sizes[:, None]
    return mask


def _heads(matrix: Bytes, sizes: Sizes) -> Bytes:
    """Return the bytes of all texts, concatenated."""
    width = int(sizes.max(initial=0))
    narrow = matrix[:, :width]
    if width == int(sizes.min(initial=width)):  # all of one size, as of a thread in a loop
        return np.ascontiguousarray(narrow).reshape(
            -1
        )  # a copy, as one column of a matrix has gaps
    heads: Bytes = narrow[_mask(sizes)]
    return heads


class Table:
    """A short list of ASCII texts that columns refer to by index."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        sizes = np.array([len(entry) for entry in texts], dtype=np.int32)
        data = np.frombuffer("".join(texts).encode("ascii"), dtype=np.uint8)
        self._texts = Texts(offsets_of(sizes), data)

    def coded(self, codes: np.ndarray[Any, Any], valid: Valid | None = None) -> Coded:
        """Return the text of each code, with the texts in use alone in the table."""
        is_used = np.zeros(len(self._texts.sizes), dtype=np.bool_)
        is_used[codes] = True
        used = np.flatnonzero(is_used)
        places = np.empty(len(is_used), dtype=np.int32)
        places[used] = np.arange(len(used))
        starts = self._texts.offsets[used].astype(np.int64)
        table = from_spans(self._texts.data, starts, self._texts.sizes[used])
        return Coded(places[codes], table, valid)


def distinct(matrix: Bytes) -> Coded:
    """Return texts of up to 15 bytes that end with a NUL, from a matrix of shape (n, 16).

    The table has each text once, and once more for each other content after its NUL.
    """
    words = np.ascontiguousarray(matrix).view(np.uint64)
    places, codes = unique_rows([words[:, 0], words[:, 1]])
    heads = matrix[places]
    table = from_matrix(heads, (heads == 0).argmax(axis=1).astype(np.int32))
    return Coded(codes.astype(np.int32, copy=False), table)


def as_utf8(offsets: Sizes, data: Bytes) -> Texts:
    """Return the texts with each byte that is not valid UTF-8 written as \\xNN.

    All texts are tested at once: their concatenation must be valid, and none may begin within a
    character. Only if that fails, the invalid bytes are located.
    """
    if not len(data) or int(data.max()) < 0x80:
        return Texts(offsets, data)
    starts = offsets[:-1][np.diff(offsets) > 0]
    try:
        data.tobytes().decode()
        if not np.any((data[starts] & 0xC0) == 0x80):
            return Texts(offsets, data)
    except UnicodeDecodeError:
        pass  # at least one text is not UTF-8
    return _escape(offsets, data, *_invalid_bytes(offsets, data))


def _invalid_bytes(
    offsets: Sizes, data: Bytes
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
    """Return the places in `data` of all bytes that are not valid UTF-8, and the text of each.

    One decoder run over all texts marks these bytes as lone surrogates (PEP 383), which valid
    UTF-8 cannot contain. A line feed after each text ends a character that the text cut off.
    """
    ends = offsets[1:]
    joined = np.insert(data, ends, ord("\n"))
    decoded = joined.tobytes().decode("utf-8", "surrogateescape")
    codes = np.array([decoded]).view(np.uint32)  # to encode surrogates takes 200 ns for each
    invalid = (codes >= 0xDC80) & (codes <= 0xDCFF)
    lengths = 1 + (codes >= 0x80).view(np.uint8) + (codes >= 0x800) + (codes >= 0x10000)
    lengths[invalid] = 1
    places = np.cumsum(lengths, dtype=np.int64)[invalid] - 1
    rows = np.searchsorted(ends + np.arange(len(ends)), places)
    return places - rows, rows


def _escape(
    offsets: Sizes,
    data: Bytes,
    places: np.ndarray[Any, np.dtype[np.int64]],
    rows: np.ndarray[Any, np.dtype[np.int64]],
) -> Texts:
    """Return the texts with the bytes at `places`, of texts `rows`, written as \\xNN."""
    repeats = np.ones(len(data), dtype=np.int64)
    repeats[places] = 4
    escaped = np.repeat(data, repeats)
    first = places + 3 * np.arange(len(places))
    escaped[first] = ord("\\")
    escaped[first + 1] = ord("x")
    escaped[first + 2] = HEX_DIGITS[data[places] >> 4]
    escaped[first + 3] = HEX_DIGITS[data[places] & 15]
    sizes = np.diff(offsets) + 3 * np.bincount(rows, minlength=len(offsets) - 1).astype(np.int32)
    return Texts(offsets_of(sizes), escaped)


def mark_missing(
    texts: Texts, *, before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]
) -> Texts:
    """Return the texts with an ellipsis before and after those where these are true.

    `before` and `after` have shape (n,).
    """
    first, last = np.flatnonzero(before), np.flatnonzero(after)
    if not first.size and not last.size:
        return texts
    # All that is inserted is the same, so its order at one place does not matter.
    places = np.concatenate([texts.offsets[first], texts.offsets[last + 1]])
    width = len(_ELLIPSIS_BYTES)
    data = np.insert(texts.data, np.repeat(places, width), np.tile(_ELLIPSIS_BYTES, len(places)))
    added = width * (before.astype(np.int32) + after)
    return replace(texts, offsets=offsets_of(texts.sizes + added), data=data)


def offsets_of(sizes: Sizes) -> Sizes:
    """Return where texts of these sizes begin and end, put one after the other: shape (n + 1,)."""
    offsets = np.zeros(len(sizes) + 1, dtype=np.int32)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def unique_rows(
    columns: Sequence[np.ndarray[Any, Any]],
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the places of the first of each distinct row, and for each row which of them it is.

    Finds rows by a hash of each, and sorts rows only if two different ones have the same hash.
    """
    mixed = np.zeros(len(columns[0]), dtype=np.uint64)
    for column, multiplier in zip(columns, _MULTIPLIERS, strict=False):
        mixed = (mixed ^ column) * multiplier
        mixed ^= mixed >> np.uint64(32)
    mixed *= _MULTIPLIERS[-1]
    slots = (mixed >> np.uint64(64 - HASH_BITS)).astype(np.intp)
    numbers = np.arange(len(slots), dtype=np.int32)
    row_in = np.empty(1 << HASH_BITS, dtype=np.int32)  # only what is written is read
    row_in[slots[::-1]] = numbers[::-1]  # the first row of a slot is written last
    first_of = row_in[slots]
    if all((column[first_of] == column).all() for column in columns):
        is_first = first_of == numbers
        codes = np.cumsum(is_first, dtype=np.int32)[first_of] - np.int32(1)
        return np.flatnonzero(is_first), codes
    _, first, codes = np.unique(
        np.stack(columns, axis=1), axis=0, return_index=True, return_inverse=True
    )
    return first, codes.reshape(-1)
