# SPDX-License-Identifier: Apache-2.0
"""Columns to Arrow: the types of columns, their metadata, and batches as self-contained streams."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import nanoarrow as na
import numpy as np
from nanoarrow.ipc import StreamWriter

from app.columns.column import Column
from app.tracer.text_columns import Texts

Validity = np.ndarray[Any, np.dtype[np.bool_]]

# Column type -> Arrow type, and the numpy type of its values; that of a text is None.
TYPES: dict[str, tuple[Any, Any]] = {
    "timestamp_ns": (lambda **kw: na.timestamp("ns", "UTC", **kw), np.int64),
    "uint32": (na.uint32, np.uint32),
    "int32": (na.int32, np.int32),
    "uint64": (na.uint64, np.uint64),
    "int64": (na.int64, np.int64),
    "bool": (na.bool_, np.bool_),
    "text": (na.string, None),
}


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
        self._use_names([None] * len(columns))

    def write(self, rows: int, values: Sequence[Numbers | Texts]) -> bytes:
        """Return a batch; `values` are those of each column, in order."""
        names = [column.names if isinstance(column, Numbers) else None for column in values]
        if any(new is not old for new, old in zip(names, self._names, strict=True)):
            self._use_names(names)
        children = [
            _array(kind, column, column_values, rows)
            for kind, column, column_values in zip(self._types, self._columns, values, strict=True)
        ]
        schema = self._schema.modify(metadata={**self._metadata, "batch": str(self._batch)})
        self._batch += 1
        sink = io.BytesIO()
        with StreamWriter.from_writable(sink) as writer:
            writer.write_stream(
                na.c_array_from_buffers(schema, rows, [None], null_count=0, children=children)
            )
        return sink.getvalue()

    def _use_names(self, names: Sequence[Mapping[int, str] | None]) -> None:
        """Make the schema with these names of each column's numbers."""
        self._names = names
        self._types = [_arrow_type(*each) for each in zip(self._columns, names, strict=True)]
        members = dict(zip((c.name for c in self._columns), self._types, strict=True))
        self._schema = na.c_schema(na.struct(members, nullable=False))


def _arrow_type(column: Column, names: Mapping[int, str] | None) -> Any:
    """Return a column's type with its metadata (docs/protocol.md, "Types of columns")."""
    kind = TYPES[column.type][0](nullable=column.nullable)
    metadata = {"names": column.names, "render": column.render}
    if names:
        metadata["value_names"] = json.dumps({str(value): name for value, name in names.items()})
    metadata = {key: value for key, value in metadata.items() if value}
    return na.c_schema(kind).modify(metadata=metadata) if metadata else kind


def _array(kind: Any, column: Column, values: Numbers | Texts, rows: int) -> Any:
    validity, nulls = None, 0
    if column.nullable and values.valid is not None:
        nulls = rows - int(np.count_nonzero(values.valid))
        if nulls:
            validity = _bits(values.valid)
    if isinstance(values, Texts):
        buffers = [_buffer(values.offsets, np.int32), _buffer(values.data, np.uint8)]
    elif column.type == "bool":
        buffers = [_bits(values.values)]
    else:
        buffers = [_buffer(values.values, TYPES[column.type][1])]
    return na.c_array_from_buffers(kind, rows, [validity, *buffers], null_count=nulls)


def _bits(values: Validity) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return truth values as Arrow has them: the first one in the lowest bit."""
    return np.packbits(values, bitorder="little")


def _buffer(values: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    """Return the values as Arrow needs them: contiguous, and of exactly this type.

    An array may be a view with gaps, such as the first byte of every name.
    """
    return np.ascontiguousarray(values, dtype=dtype)
