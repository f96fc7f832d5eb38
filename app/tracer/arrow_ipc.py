# SPDX-License-Identifier: Apache-2.0
"""Arrow IPC streams: schema, dictionaries and one batch, from columns' buffers.

Columnar format, "Serialization and Interprocess Communication (IPC)", and its Schema.fbs and
Message.fbs (https://arrow.apache.org/docs/format/Columnar.html), of which the numbers here are.
nanoarrow, which reads these streams, cannot write dictionaries.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.tracer.flatbuffer import Node, Pairs, Table, Text, Vector, encode

Buffer = np.ndarray[Any, Any]

VERSION_5 = 4  # enum MetadataVersion
SCHEMA, DICTIONARY_BATCH, RECORD_BATCH = 1, 2, 3  # union MessageHeader
INT, UTF8, BOOL, TIMESTAMP = 2, 5, 6, 10  # union Type
NANOSECOND = 3  # enum TimeUnit
CONTINUATION = b"\xff\xff\xff\xff"
END = CONTINUATION + bytes(4)
ALIGNMENT = 8  # of each buffer


@dataclass(frozen=True)
class Type:
    """An Arrow type: its number in the union, and its table."""

    number: int
    table: Table


def integer(bits: int, *, signed: bool) -> Type:
    """Return the type of integers of 8, 16, 32 or 64 bits."""
    return Type(INT, Table([(0, ("i", bits)), (1, ("B", signed))]))


TEXT = Type(UTF8, Table([]))
TRUTH = Type(BOOL, Table([]))
TIME = Type(TIMESTAMP, Table([(0, ("h", NANOSECOND)), (1, Text("UTC"))]))


@dataclass(frozen=True)
class Field:
    """A column: with `index`, its texts are in a dictionary and it has numbers of that type."""

    name: str
    type: Type
    nullable: bool
    metadata: Mapping[str, str]
    index: Type | None = None


@dataclass(frozen=True)
class Cells:
    """The cells of a column: Arrow's buffers, of which the first has the valid bits if any are 0.

    `dictionary` are the offsets and bytes of the texts that the numbers refer to.
    """

    nulls: int
    buffers: Sequence[Buffer | None]
    dictionary: tuple[Buffer, Buffer] | None = None


def schema_message(fields: Sequence[Field], metadata: Mapping[str, str]) -> bytes:
    """Return the message that a stream begins with."""
    tables = [_field(each, number) for number, each in enumerate(fields)]
    return _message(SCHEMA, Table([(1, Vector(tables)), (2, _pairs(metadata))]), [])


def batch_messages(rows: int, columns: Sequence[Cells]) -> bytes:
    """Return the messages of all dictionaries and of the batch, and the end of the stream."""
    parts = []
    for number, column in enumerate(columns):
        if column.dictionary is not None:
            offsets, data = column.dictionary
            table, body = _batch(len(offsets) - 1, [Cells(0, [None, offsets, data])])
            header = Table([(0, ("q", number)), (1, table)])
            parts.append(_message(DICTIONARY_BATCH, header, body))
    parts.append(_message(RECORD_BATCH, *_batch(rows, columns)))
    return b"".join([*parts, END])


def _batch(rows: int, columns: Sequence[Cells]) -> tuple[Table, list[bytes]]:
    """Return the description of a batch, and its body."""
    places, body, at = [], [], 0
    for column in columns:
        for buffer in column.buffers:
            data = b"" if buffer is None else buffer.tobytes()
            padding = -len(data) % ALIGNMENT
            places.append((at, len(data)))
            body += [data, bytes(padding)]
            at += len(data) + padding
    nodes = Pairs([(rows, column.nulls) for column in columns])
    return Table([(0, ("q", rows)), (1, nodes), (2, Pairs(places))]), body


def _message(kind: int, header: Table, body: Sequence[bytes]) -> bytes:
    size = sum(map(len, body))
    fields: list[tuple[int, Node | tuple[str, int]]] = [
        (3, ("q", size)),
        (2, header),
        (0, ("h", VERSION_5)),
        (1, ("B", kind)),
    ]
    metadata = encode(Table(fields))
    return b"".join([CONTINUATION, struct.pack("<i", len(metadata)), metadata, *body])


def _field(field: Field, number: int) -> Table:
    members: list[tuple[int, Node | tuple[str, int]]] = [
        (0, Text(field.name)),
        (1, ("B", field.nullable)),
        (2, ("B", field.type.number)),
        (3, field.type.table),
        (5, Vector([])),  # Arrow's own reader in C++ insists on a list of children
    ]
    if field.index is not None:
        members.append((4, Table([(0, ("q", number)), (1, field.index.table)])))
    if field.metadata:
        members.append((6, _pairs(field.metadata)))
    return Table(members)


def _pairs(metadata: Mapping[str, str]) -> Vector:
    return Vector([Table([(0, Text(key)), (1, Text(text))]) for key, text in metadata.items()])
