# SPDX-License-Identifier: Apache-2.0
"""Arrow batches as the tracers send them, from plain numpy arrays and lists of text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import nanoarrow as na
import numpy as np
from nanoarrow.ipc import StreamWriter

from app.columns.column import Column

TYPES = {
    "timestamp_ns": (na.timestamp("ns", "UTC"), np.int64),
    "uint32": (na.uint32(), np.uint32),
    "int32": (na.int32(), np.int32),
    "uint64": (na.uint64(), np.uint64),
    "int64": (na.int64(), np.int64),
    "bool": (na.bool_(), np.uint8),
}


def encode(
    columns: Sequence[Column], values: Mapping[str, Any], metadata: Mapping[str, str]
) -> bytes:
    """One self-contained Arrow IPC stream of one batch.

    `values` has for each column's name an array of numbers, or a list of bytes (None: null).
    """
    rows = len(values[columns[0].name])
    fields = {c.name: na.string() if c.type == "text" else TYPES[c.type][0] for c in columns}
    schema = na.c_schema(na.struct(fields)).modify(metadata=dict(metadata))
    children = [
        _text(values[c.name]) if c.type == "text" else _numbers(c.type, values[c.name])
        for c in columns
    ]
    batch = na.c_array_from_buffers(schema, rows, [None], children=children)
    stream = io.BytesIO()
    with StreamWriter.from_writable(stream) as writer:
        writer.write_stream(batch)
    return stream.getvalue()


def _numbers(column_type: str, values: Any) -> Any:
    arrow, dtype = TYPES[column_type]
    if isinstance(values, list) and None in values:
        is_value = np.array([value is not None for value in values])
        valid = np.packbits(is_value, bitorder="little")
        values = [value or 0 for value in values]
    else:
        valid = None
    if column_type == "bool":
        bits = np.packbits(np.asarray(values, bool), bitorder="little")
        return na.c_array_from_buffers(arrow, len(values), [valid, bits])
    return na.c_array_from_buffers(arrow, len(values), [valid, np.asarray(values, dtype)])


def _text(values: Sequence[bytes | None]) -> Any:
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(value or b"") for value in values], out=offsets[1:])
    valid = None
    if any(value is None for value in values):
        valid = np.packbits([value is not None for value in values], bitorder="little")
    data = b"".join(value or b"" for value in values)
    return na.c_array_from_buffers(na.string(), len(values), [valid, offsets, data])
