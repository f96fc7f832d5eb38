# SPDX-License-Identifier: Apache-2.0
"""Many texts as one Arrow buffer of offsets and bytes, without Python code for each text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Sizes = np.ndarray[Any, np.dtype[np.int32]]
ELLIPSIS = "…"


@dataclass(frozen=True)
class Texts:
    """`n` texts: `offsets` has shape (n + 1,), `data` all bytes, `valid` shape (n,) or is None."""

    offsets: Sizes
    data: Bytes
    valid: np.ndarray[Any, np.dtype[np.bool_]] | None = None


def from_matrix(matrix: Bytes, sizes: Sizes) -> Texts:
    """Return the first `sizes[i]` bytes of each row of a matrix of shape (n, width)."""
    return as_utf8(_offsets(sizes), _heads(matrix, sizes))


def from_parts(parts: list[tuple[Bytes, Sizes]], order: np.ndarray[Any, Any] | None) -> Texts:
    """As `from_matrix` for matrices of several widths, with their rows in `order`.

    `order[i]` is the row, counted through all parts, at position i; None keeps the order.
    """
    if len(parts) == 1:
        matrix, sizes = parts[0]
        return (
            from_matrix(matrix, sizes)
            if order is None
            else from_matrix(matrix[order], sizes[order])
        )
    all_sizes = np.concatenate([sizes for _, sizes in parts])
    if order is None:
        data = np.concatenate([_heads(matrix, sizes) for matrix, sizes in parts])
        return as_utf8(_offsets(all_sizes), data)
    offsets = _offsets(all_sizes[order])
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
    return as_utf8(offsets, data)


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
        self._matrix = np.zeros((len(texts), max(map(len, texts), default=0)), dtype=np.uint8)
        self._sizes = np.array([len(entry) for entry in texts], dtype=np.int32)
        for row, entry in enumerate(texts):
            self._matrix[row, : len(entry)] = np.frombuffer(entry.encode("ascii"), dtype=np.uint8)

    def take(self, codes: np.ndarray[Any, Any]) -> Texts:
        """Return the text of each code."""
        sizes = self._sizes[codes]
        width = int(sizes.max(initial=0))
        return Texts(_offsets(sizes), _heads(self._matrix[:, :width][codes], sizes))


def as_utf8(offsets: Sizes, data: Bytes) -> Texts:
    """Return the texts with each byte that is not valid UTF-8 written as \\xNN.

    All texts are tested at once: their concatenation must be valid, and none may begin within a
    character. Only if that fails, rows with a byte above 0x7f are decoded one by one.
    """
    if not len(data) or int(data.max()) < 0x80:
        return Texts(offsets, data)
    starts = offsets[:-1][np.diff(offsets) > 0]
    try:
        data.tobytes().decode()
        if not np.any((data[starts] & 0xC0) == 0x80):
            return Texts(offsets, data)
    except UnicodeDecodeError:
        pass  # at least one text is not UTF-8, and is found below
    raw = data.tobytes()
    suspects = set(np.searchsorted(offsets, np.flatnonzero(data >= 0x80), side="right") - 1)
    pieces = [raw[offsets[i] : offsets[i + 1]] for i in range(len(offsets) - 1)]
    for i in suspects:
        pieces[i] = pieces[i].decode("utf-8", "backslashreplace").encode()
    sizes = np.array([len(piece) for piece in pieces], dtype=np.int32)
    return Texts(_offsets(sizes), np.frombuffer(b"".join(pieces), dtype=np.uint8))


def append(texts: Texts, rows: np.ndarray[Any, Any], suffix: str = ELLIPSIS) -> Texts:
    """Return the texts with `suffix` appended to those at `rows`, of which there are few."""
    raw = texts.data.tobytes()
    extended = set(rows.tolist())
    pieces = [
        raw[texts.offsets[i] : texts.offsets[i + 1]] + (suffix.encode() if i in extended else b"")
        for i in range(len(texts.offsets) - 1)
    ]
    sizes = np.array([len(piece) for piece in pieces], dtype=np.int32)
    return Texts(_offsets(sizes), np.frombuffer(b"".join(pieces), dtype=np.uint8), texts.valid)


def _offsets(sizes: Sizes) -> Sizes:
    offsets = np.zeros(len(sizes) + 1, dtype=np.int32)
    np.cumsum(sizes, out=offsets[1:])
    return offsets
