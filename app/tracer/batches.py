# SPDX-License-Identifier: Apache-2.0
"""Records to columns to Arrow: the one place that knows both bpf/record.c and the columns."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import nanoarrow as na
import numpy as np
from nanoarrow.ipc import StreamWriter

from app.probes.columns import Column
from app.probes.names import MAX_ERRNO, error_name
from app.tracer import text
from app.tracer.records import CALL_MASK, CALLS, NAME_CUT
from app.tracer.text import Texts

Records = np.ndarray[Any, np.dtype[np.void]]

_ARROW_TYPES: dict[str, Callable[..., Any]] = {
    "timestamp_ns": lambda **kw: na.timestamp("ns", "UTC", **kw),
    "uint32": na.uint32,
    "int32": na.int32,
    "uint64": na.uint64,
    "int64": na.int64,
    "text": na.string,
}
_NUMPY_TYPES = {
    "timestamp_ns": np.int64,
    "uint32": np.uint32,
    "int32": np.int32,
    "uint64": np.uint64,
    "int64": np.int64,
}
_ERRNO_NAMES = text.Table(("", *(error_name(code) for code in range(1, MAX_ERRNO + 1))))
_CALL_NAMES = text.Table(CALLS)


class Encoder:
    """Turns records of one probe's run into self-contained Arrow IPC streams."""

    def __init__(self, probe: str, mode: str, run: int, columns: Sequence[Column]) -> None:
        self._metadata = {"probe": probe, "mode": mode, "run": str(run)}
        self._columns = columns
        self._types = [_arrow_type(column) for column in columns]
        self._schema = na.c_schema(
            na.struct(
                dict(zip((c.name for c in columns), self._types, strict=True)), nullable=False
            )
        )
        self._batch = 0

    def encode(self, parts: Sequence[Records], wall_offset_ns: int) -> bytes:
        """Rows of all parts, ordered by time of entry, as one Arrow IPC stream."""
        values = to_columns(parts, wall_offset_ns)
        rows = len(values["time"])
        children = [
            _array(kind, column, values[column.name], rows)
            for kind, column in zip(self._types, self._columns, strict=True)
        ]
        schema = self._schema.modify(metadata={**self._metadata, "batch": str(self._batch)})
        self._batch += 1
        sink = io.BytesIO()
        with StreamWriter.from_writable(sink) as writer:
            writer.write_stream(
                na.c_array_from_buffers(schema, rows, [None], null_count=0, children=children)
            )
        return sink.getvalue()


def _arrow_type(column: Column) -> Any:
    """The column's type; its metadata refers to the table of its names, which is sent elsewhere."""
    kind = _ARROW_TYPES[column.type](nullable=column.nullable)
    return na.c_schema(kind).modify(metadata={"names": column.names}) if column.names else kind


def to_columns(parts: Sequence[Records], wall_offset_ns: int) -> dict[str, Any]:
    """Every column the records can give: arrays of shape (n,), or `Texts` for text."""
    entry = np.concatenate([part["entry_ns"] for part in parts])
    in_order = bool((entry[1:] >= entry[:-1]).all())
    order = None if in_order else np.argsort(entry, kind="stable")

    def put_in_order(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return values if order is None else values[order]

    def column(name: str) -> np.ndarray[Any, Any]:
        return put_in_order(np.concatenate([part[name] for part in parts]))

    flags, ret = column("flags"), column("ret")
    error = np.where((ret < 0) & (ret >= -MAX_ERRNO), -ret, 0)
    names = _ERRNO_NAMES.take(error)
    comm = column("comm")
    sizes = [part["name_size"] for part in parts]
    readable = put_in_order(np.concatenate(sizes)) >= 0
    filename = text.from_parts(
        [(part["name"], np.maximum(size, 0)) for part, size in zip(parts, sizes, strict=True)],
        order,
    )
    cut = np.flatnonzero(flags & NAME_CUT)
    if cut.size:
        filename = text.append(filename, cut)
    return {
        "time": put_in_order(entry).astype(np.int64) + wall_offset_ns,
        "pid": column("pid"),
        "tid": column("tid"),
        "uid": column("uid"),
        "comm": text.from_matrix(comm, (comm == 0).argmax(axis=1).astype(np.int32)),
        "syscall": _CALL_NAMES.take(flags & CALL_MASK),
        "dfd": column("dfd"),
        "filename": Texts(filename.offsets, filename.data, readable),
        "ret": ret,
        "errno": Texts(names.offsets, names.data, error > 0),
        "latency_ns": column("latency_ns"),
    }


def _array(kind: Any, column: Column, values: Any, rows: int) -> Any:
    if not isinstance(values, Texts):
        data = np.ascontiguousarray(values, dtype=_NUMPY_TYPES[column.type])
        return na.c_array_from_buffers(kind, rows, [None, data], null_count=0)
    validity, nulls = None, 0
    if column.nullable and values.valid is not None:
        nulls = rows - int(np.count_nonzero(values.valid))
        validity = np.packbits(values.valid, bitorder="little") if nulls else None
    return na.c_array_from_buffers(
        kind, rows, [validity, values.offsets, values.data], null_count=nulls
    )
