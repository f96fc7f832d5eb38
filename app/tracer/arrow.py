# SPDX-License-Identifier: Apache-2.0
"""Columns to Arrow: the types of columns, their metadata, and batches as self-contained streams.

Each batch is as small as Arrow's own types make it: numbers are of the narrowest type that holds
all of the batch, and texts of few distinct values are in a dictionary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.columns.column import Column
from app.tracer import arrow_ipc
from app.tracer.arrow_ipc import Cells, Field
from app.tracer.text_columns import Coded, Texts

Validity = np.ndarray[Any, np.dtype[np.bool_]]

# Column type -> Arrow type, and the numpy type of its values; that of a text is None.
TYPES: dict[str, tuple[arrow_ipc.Type, Any]] = {
    "timestamp_ns": (arrow_ipc.TIME, np.int64),
    "uint32": (arrow_ipc.integer(32, signed=False), np.uint32),
    "int32": (arrow_ipc.integer(32, signed=True), np.int32),
    "uint64": (arrow_ipc.integer(64, signed=False), np.uint64),
    "int64": (arrow_ipc.integer(64, signed=True), np.int64),
    "bool": (arrow_ipc.TRUTH, np.bool_),
    "text": (arrow_ipc.TEXT, None),
}
# By whether they are signed: the narrower types.
NARROW: dict[bool, tuple[Any, ...]] = {
    False: (np.uint8, np.uint16, np.uint32),
    True: (np.int8, np.int16, np.int32),
}
INTEGERS = {
    np.dtype(dtype): arrow_ipc.integer(8 * np.dtype(dtype).itemsize, signed=signed)
    for signed, dtypes in NARROW.items()
    for dtype in dtypes
}
# What a batch must save: the bytes of the metadata `type`, and of a dictionary's messages.
NARROW_COST = 80
DICTIONARY_COST = 320


@dataclass(frozen=True)
class Numbers:
    """`n` numbers or truth values, of shape (n,); `valid` has that shape too, or is None.

    `names` are names of numbers, at least of those in `values` that have one.
    """

    values: np.ndarray[Any, Any]
    valid: Validity | None = None
    names: Mapping[int, str] | None = None


class Stream:
    """Writes batches of the same columns, each as a self-contained Arrow IPC stream.

    The schema's metadata is `metadata` and the batch's number, `batch`, counted from 0.
    """

    def __init__(self, metadata: Mapping[str, str], columns: Sequence[Column]) -> None:
        self._metadata = metadata
        self._columns = columns
        self._batch = 0
        self._names: list[Mapping[int, str] | None] = [None] * len(columns)
        self._value_names = [""] * len(columns)
        self._fields: list[Field] = []
        self._digits = 0
        self._around_number = (b"", b"")

    def write(self, rows: int, values: Sequence[Numbers | Texts | Coded]) -> bytes:
        """Return a batch; `values` are those of each column, in order."""
        fields, cells = [], []
        for place, (column, given) in enumerate(zip(self._columns, values, strict=True)):
            names = self._names_of(place, given)
            field, found = _encoded(column, given, names, rows)
            fields.append(field)
            cells.append(found)
        schema = self._schema(fields)
        self._batch += 1
        return schema + arrow_ipc.batch_messages(rows, cells)

    def _schema(self, fields: list[Field]) -> bytes:
        """Return the schema's message, made again only when more than the batch's number changes.

        The number is the last text in it.
        """
        number = str(self._batch)
        if fields != self._fields or len(number) != self._digits:
            self._fields, self._digits = fields, len(number)
            metadata = {**self._metadata, "batch": number}
            message = arrow_ipc.schema_message(fields, metadata)
            end = message.rindex(number.encode())
            self._around_number = message[:end], message[end + len(number) :]
        return number.encode().join(self._around_number)

    def _names_of(self, place: int, values: Numbers | Texts | Coded) -> str:
        """Return the names of a column's numbers as JSON, written again only when they change."""
        names = values.names if isinstance(values, Numbers) else None
        if names is not self._names[place]:
            self._names[place] = names
            texts = {str(value): name for value, name in (names or {}).items()}
            self._value_names[place] = json.dumps(texts) if texts else ""
        return self._value_names[place]


def _encoded(
    column: Column, values: Numbers | Texts | Coded, value_names: str, rows: int
) -> tuple[Field, Cells]:
    """Return a column's field and cells; docs/protocol.md, "Types of columns", has its metadata."""
    kind, dtype = TYPES[column.type]
    index = dictionary = None
    validity, nulls = _validity(column, values.valid, rows)
    buffers: list[np.ndarray[Any, Any]]
    if isinstance(values, Coded):
        codes = _index(values, rows)
        if codes is None:
            values = values.expanded()
        else:
            index, buffers = INTEGERS[codes.dtype], [codes]
            dictionary = (_buffer(values.table.offsets, np.int32), values.table.data)
    if isinstance(values, Texts):
        buffers = [_buffer(values.offsets, np.int32), _buffer(values.data, np.uint8)]
    elif isinstance(values, Numbers) and column.type == "bool":
        buffers = [_bits(values.values)]
    elif isinstance(values, Numbers):
        numbers = _buffer(values.values, dtype)
        narrow = numbers if column.type == "timestamp_ns" else _narrowest(numbers)
        kind = kind if narrow is numbers else INTEGERS[narrow.dtype]
        buffers = [narrow]
    metadata = {
        "type": column.type if kind is not TYPES[column.type][0] else None,
        "names": column.names,
        "render": column.render,
        "value_names": value_names,
    }
    told = {key: value for key, value in metadata.items() if value}
    field = Field(column.name, kind, column.nullable, told, index)
    return field, Cells(nulls, [validity, *buffers], dictionary)


def _validity(
    column: Column, valid: Validity | None, rows: int
) -> tuple[np.ndarray[Any, Any] | None, int]:
    if not column.nullable or valid is None:
        return None, 0
    nulls = rows - int(np.count_nonzero(valid))
    return (_bits(valid), nulls) if nulls else (None, 0)


def _index(texts: Coded, rows: int) -> np.ndarray[Any, Any] | None:
    """Return the numbers of a dictionary's texts; None if the texts themselves take less room."""
    count = len(texts.table.sizes)
    dtype = np.int8 if count <= 1 << 7 else np.int16 if count <= 1 << 15 else np.int32
    width = np.dtype(dtype).itemsize
    in_dictionary = rows * width + 4 * count + len(texts.table.data) + DICTIONARY_COST
    plain = 4 * rows + int(texts.table.sizes[texts.codes].sum())
    return texts.codes.astype(dtype) if in_dictionary < plain else None


def _narrowest(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the numbers in the narrowest type that holds them, if that saves anything."""
    if numbers.nbytes <= NARROW_COST:
        return numbers
    low, high = int(numbers.min()), int(numbers.max())
    for dtype in NARROW[numbers.dtype.kind == "i"]:
        saved = numbers.nbytes - len(numbers) * np.dtype(dtype).itemsize
        if saved <= NARROW_COST:
            break
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return numbers.astype(dtype)
    return numbers


def _bits(values: Validity) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return truth values as Arrow has them: the first one in the lowest bit."""
    return np.packbits(values, bitorder="little")


def _buffer(values: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    """Return the values as Arrow needs them: contiguous, and of exactly this type.

    An array may be a view with gaps, such as the first byte of every name.
    """
    return np.ascontiguousarray(values, dtype=dtype)
