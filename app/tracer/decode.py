# SPDX-License-Identifier: Apache-2.0
"""Records to columns to Arrow: the only module that knows both bpf/record.c and the columns."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import nanoarrow as na
import numpy as np
from nanoarrow.ipc import StreamWriter

from app.columns.column import Column
from app.columns.names import MAX_ERRNO, error_name
from app.tracer import text_columns
from app.tracer.records import CALL_MASK, CALLS, FIRST_RENAME, NAME_CUT, REPLACES
from app.tracer.text_columns import Texts

Records = np.ndarray[Any, np.dtype[np.void]]
# From the kernel's timestamps to the nanoseconds to add for wall-clock time: one, or one for each.
WallOffset = Callable[[np.ndarray[Any, Any]], int | np.ndarray[Any, Any]]

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
_ERRNO_NAMES = text_columns.Table(("", *(error_name(code) for code in range(1, MAX_ERRNO + 1))))
_CALL_NAMES = text_columns.Table(CALLS)
_REPLACED = text_columns.Table(("", "unknown", "yes"))
# AT_REMOVEDIR of include/uapi/linux/fcntl.h, RENAME_WHITEOUT of fs.h.
_CALL_FLAGS = {"unlinkat": {0x200: "AT_REMOVEDIR"}, "renameat2": {4: "RENAME_WHITEOUT"}}


class Encoder:
    """Encodes records of one run of a probe as self-contained Arrow IPC streams."""

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

    def encode(self, parts: Sequence[Records], wall_offset_ns: WallOffset) -> bytes:
        """Return the rows of all parts, ordered by entry time, as one Arrow IPC stream."""
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
    """Return a column's type; its metadata names the table of names, which is sent separately."""
    kind = _ARROW_TYPES[column.type](nullable=column.nullable)
    return na.c_schema(kind).modify(metadata={"names": column.names}) if column.names else kind


def to_columns(parts: Sequence[Records], wall_offset_ns: WallOffset) -> dict[str, Any]:
    """Return all columns that records can yield: arrays of shape (n,), or `Texts`."""
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
    call = flags & CALL_MASK
    replaced = np.where(call < FIRST_RENAME, 0, np.where(flags & REPLACES, 2, 1))
    replaced_names = _REPLACED.take(replaced)
    sizes = [part["name_size"] for part in parts]
    readable = put_in_order(np.concatenate(sizes)) >= 0
    filename = text_columns.from_parts(
        [(part["name"], np.maximum(size, 0)) for part, size in zip(parts, sizes, strict=True)],
        order,
    )
    cut = np.flatnonzero(flags & NAME_CUT)
    if cut.size:
        filename = text_columns.append(filename, cut)
    stamps = put_in_order(entry).astype(np.int64)
    return {
        "time": stamps + wall_offset_ns(stamps),
        "pid": column("pid"),
        "tid": column("tid"),
        "uid": column("uid"),
        "process": _names(column("process")),
        "comm": _names(column("comm")),
        "syscall": _CALL_NAMES.take(call),
        "flags": _flag_names(call, column("call_flags")),
        "dfd": column("dfd"),
        "filename": Texts(filename.offsets, filename.data, readable),
        "replaced": Texts(replaced_names.offsets, replaced_names.data, replaced > 0),
        "ret": ret,
        "errno": Texts(names.offsets, names.data, error > 0),
        "latency_ns": column("latency_ns"),
    }


def _names(matrix: np.ndarray[Any, Any]) -> Texts:
    """Return texts that end with a NUL."""
    return text_columns.from_matrix(matrix, (matrix == 0).argmax(axis=1).astype(np.int32))


def _flag_names(call: np.ndarray[Any, Any], flags: np.ndarray[Any, Any]) -> Texts:
    """Return the names of each call's flags, or a number for unknown ones; null without flags."""
    kinds, codes = np.unique(
        call.astype(np.uint64) << np.uint64(32) | flags, return_inverse=True
    )  # few, as programs rarely pass flags that are not defined
    table = text_columns.Table(
        tuple(_flag_text(int(kind) >> 32, int(kind) & 0xFFFFFFFF) for kind in kinds)
    )
    names = table.take(codes.reshape(-1))
    return Texts(names.offsets, names.data, flags != 0)


def _flag_text(call: int, flags: int) -> str:
    known = _CALL_FLAGS.get(CALLS[call], {})
    words = [name for bit, name in known.items() if flags & bit]
    rest = flags & ~sum(known)
    return "|".join([*words, *([hex(rest)] if rest else [])])


def _array(kind: Any, column: Column, values: Any, rows: int) -> Any:
    if not isinstance(values, Texts):
        return _from_buffers(kind, rows, 0, None, _buffer(values, _NUMPY_TYPES[column.type]))
    validity, nulls = None, 0
    if column.nullable and values.valid is not None:
        nulls = rows - int(np.count_nonzero(values.valid))
        if nulls:
            validity = _buffer(np.packbits(values.valid, bitorder="little"), np.uint8)
    offsets, data = _buffer(values.offsets, np.int32), _buffer(values.data, np.uint8)
    return _from_buffers(kind, rows, nulls, validity, offsets, data)


def _buffer(values: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    """Return the values as Arrow needs them: contiguous, and of exactly this type.

    An array may be a view with gaps, such as the first byte of every name.
    """
    return np.ascontiguousarray(values, dtype=dtype)


def _from_buffers(kind: Any, rows: int, nulls: int, *buffers: np.ndarray[Any, Any] | None) -> Any:
    return na.c_array_from_buffers(kind, rows, list(buffers), null_count=nulls)
