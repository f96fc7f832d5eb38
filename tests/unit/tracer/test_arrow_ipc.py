# SPDX-License-Identifier: Apache-2.0
"""Streams as Apache's own reader, in Rust, and nanoarrow understand them; columns: test_arrow."""

from __future__ import annotations

import io

import arro3.io
import nanoarrow as na
import numpy as np
import pytest
from nanoarrow.ipc import InputStream

from app.tracer.arrow_ipc import (
    TEXT,
    TIME,
    TRUTH,
    Cells,
    Field,
    batch_messages,
    integer,
    schema_message,
)

OFFSETS = np.array([0, 2, 2, 5], dtype=np.int32)
LETTERS = np.frombuffer(b"abcde", dtype=np.uint8)
FIELDS = [
    Field("time", TIME, False, {}),
    Field("small", integer(8, signed=True), False, {"type": "int64"}),
    Field("large", integer(64, signed=False), True, {}),
    Field("truth", TRUTH, True, {"é": "\u202e"}),
    Field("text", TEXT, True, {}),
    Field("word", TEXT, True, {}, integer(16, signed=True)),
]
CELLS = [
    Cells(0, [None, np.array([0, 1000, 2000], dtype=np.int64)]),
    Cells(0, [None, np.array([-128, 0, 127], dtype=np.int8)]),
    Cells(1, [np.array([0b101], np.uint8), np.array([2**64 - 1, 0, 1], dtype=np.uint64)]),
    Cells(0, [None, np.array([0b110], dtype=np.uint8)]),
    Cells(0, [None, OFFSETS, LETTERS]),
    Cells(1, [np.array([0b011], np.uint8), np.array([2, 1, 0], np.int16)], (OFFSETS, LETTERS)),
]
STREAM = schema_message(FIELDS, {"probe": "a", "batch": "7"}) + batch_messages(3, CELLS)
ROWS = {
    "small": [-128, 0, 127],
    "large": [2**64 - 1, None, 1],
    "truth": [False, True, True],
    "text": ["ab", "", "cde"],
    "word": ["cde", "", None],
}


def test_apaches_reader() -> None:
    table = arro3.io.read_ipc_stream(io.BytesIO(STREAM)).read_all()
    schema = table.schema
    assert schema.names == [field.name for field in FIELDS]
    assert schema.metadata == {b"probe": b"a", b"batch": b"7"}
    assert [schema.field(i).nullable for i in range(6)] == [False, False, True, True, True, True]
    assert schema.field("small").metadata == {b"type": b"int64"}
    assert schema.field("truth").metadata == {"é".encode(): "\u202e".encode()}
    assert "Dictionary(Int16, Utf8)" in str(schema.field("word").type)
    assert 'Timestamp(ns, "UTC")' in str(schema.field("time").type)
    for name, wanted in ROWS.items():
        assert [cell.as_py() for chunk in table.column(name).chunks for cell in chunk] == wanted


def test_nanoarrow() -> None:
    stream = na.ArrayStream(InputStream.from_readable(io.BytesIO(STREAM)))
    rows = stream.read_all().to_pylist()
    for name, wanted in ROWS.items():
        assert [row[name] for row in rows] == wanted


@pytest.mark.parametrize("rows", [0, 1, 8, 9])
def test_messages_are_aligned(rows: int) -> None:
    """Readers map what is at a multiple of 8 bytes, without a copy."""
    cells = Cells(0, [None, np.zeros(rows, dtype=np.uint8)])
    fields = [Field("x", integer(8, signed=False), False, {})]
    schema, batch = schema_message(fields, {}), batch_messages(rows, [cells])
    assert len(schema) % 8 == len(batch) % 8 == 0
    table = arro3.io.read_ipc_stream(io.BytesIO(schema + batch)).read_all()
    assert table.num_rows == rows
