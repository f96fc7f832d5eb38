# SPDX-License-Identifier: Apache-2.0
"""Counting the rows of an Arrow IPC stream from its message headers, without decoding it.

Framing: Arrow columnar format, "Encapsulated message format". The headers are flatbuffers; only
the fields needed here are read. Pure.
"""

from __future__ import annotations

import struct

CONTINUATION = 0xFFFFFFFF
RECORD_BATCH = 3  # union MessageHeader of Message.fbs
_HEADER_TYPE, _HEADER, _BODY_LENGTH = 1, 2, 3  # fields of table Message, from 0
_LENGTH = 0  # of table RecordBatch


def rows_in(stream: bytes | bytearray | memoryview) -> int:
    """Return the rows of all record batches; raises ValueError when this is no Arrow stream."""
    at, rows = 0, 0
    while at + 8 <= len(stream):
        mark, size = struct.unpack_from("<Ii", stream, at)
        if mark != CONTINUATION:
            raise ValueError(f"not an Arrow IPC stream: no message at byte {at}")
        if size == 0:
            break
        table = at + 8 + _u32(stream, at + 8)
        body_at = _field(stream, table, _BODY_LENGTH)
        type_at = _field(stream, table, _HEADER_TYPE)
        header_at = _field(stream, table, _HEADER)
        if type_at and header_at and stream[type_at] == RECORD_BATCH:
            length_at = _field(stream, header_at + _u32(stream, header_at), _LENGTH)
            rows += _i64(stream, length_at) if length_at else 0
        at += 8 + size + (_i64(stream, body_at) if body_at else 0)
    return rows


def _u32(data: bytes | bytearray | memoryview, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _i64(data: bytes | bytearray | memoryview, at: int) -> int:
    return int(struct.unpack_from("<q", data, at)[0])


def _field(data: bytes | bytearray | memoryview, table: int, number: int) -> int:
    """Return the offset of a table's field; 0 when it is absent, that is, has its default."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", data, vtable)[0]:
        return 0
    offset = int(struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0])
    return table + offset if offset else 0
