# SPDX-License-Identifier: Apache-2.0
"""The client's shortcuts: rows counted without decoding, frames taken apart, calls found again."""

from __future__ import annotations

import io
import socket
import struct
from collections.abc import Iterator

import nanoarrow as na
import numpy as np
import pytest
from nanoarrow.ipc import StreamWriter

from benchmarks.arrow_rows import rows_in
from benchmarks.delays import delays
from benchmarks.reader import KEPT_HEADER, Connection, frames_in, read_kept


def arrow(*rows: int) -> bytes:
    """A stream with a batch of each of these numbers of rows."""
    sink = io.BytesIO()
    with StreamWriter.from_writable(sink) as writer:
        for count in rows:
            names = na.c_array([f"no-{number}" for number in range(count)], na.string())
            schema = na.c_schema(na.struct({"filename": na.string()}))
            writer.write_array(na.c_array_from_buffers(schema, count, [None], children=[names]))
    return sink.getvalue()


def unmasked(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """A server's frame (RFC 6455, 5.2)."""
    head = bytes([opcode | (0x80 if fin else 0)])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return head + b"\x7e" + struct.pack(">H", len(payload)) + payload
    return head + b"\x7f" + struct.pack(">Q", len(payload)) + payload


@pytest.fixture
def ends() -> Iterator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Connection(ours), theirs


@pytest.mark.parametrize("rows", [(0,), (1,), (4096,), (3, 5)])
def test_rows_are_counted(rows: tuple[int, ...]) -> None:
    assert rows_in(arrow(*rows)) == sum(rows)


def test_what_is_not_arrow_is_refused() -> None:
    with pytest.raises(ValueError, match="not an Arrow IPC stream"):
        rows_in(b"x" * 64)


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frames_of_all_sizes(size: int) -> None:
    data = bytearray(unmasked(2, b"a" * size) + unmasked(1, b"{}") + b"\x82")
    found = list(frames_in(data))
    assert [(opcode, end - start) for opcode, _, start, end in found] == [(2, size), (1, 2)]


def test_rows_bytes_and_gaps_however_they_are_cut(ends: tuple[Connection, socket.socket]) -> None:
    connection, _ = ends
    batch = arrow(300)
    stream = unmasked(1, b'{"type": "hello"}') + unmasked(2, batch)
    stream += unmasked(1, b'{"type": "gap", "probe": "p", "where": "kernel", "rows": 7}')
    stream += unmasked(2, batch[:100], fin=False) + unmasked(0, batch[100:])
    for at in range(0, len(stream), 11):
        connection.feed(memoryview(stream[at : at + 11]))
    assert (connection.rows, connection.lost, connection.frames) == (600, 7, 2)
    binary = len(unmasked(2, batch)) + len(unmasked(2, batch[:100])) + len(unmasked(0, batch[100:]))
    assert connection.bytes_ == binary
    assert not connection.buffer


def test_pings_are_answered(ends: tuple[Connection, socket.socket]) -> None:
    connection, theirs = ends
    connection.feed(memoryview(unmasked(9, b"hi")))
    assert theirs.recv(100) == bytes([0x8A, 0x82, 0, 0, 0, 0]) + b"hi"


def test_a_closed_websocket_is_an_error(ends: tuple[Connection, socket.socket]) -> None:
    with pytest.raises(RuntimeError, match="closed"):
        ends[0].feed(memoryview(unmasked(8, b"\x03\xe9")))


def test_kept_frames_come_back() -> None:
    data = KEPT_HEADER.pack(5, 3) + b"abc" + KEPT_HEADER.pack(9, 0)
    assert list(read_kept(data)) == [(5, b"abc"), (9, b"")]


def test_delays_follow_the_number_in_the_name() -> None:
    stamps = np.array([1_000_000, 2_000_000, 3_000_000], dtype=np.uint64)
    frames = [(4_000_000, ["no-1", "no-0"]), (5_500_000, ["no-2"])]
    assert delays(stamps, frames) == [3.0, 2.0, 2.5]
    with pytest.raises(ValueError, match="1 calls have no row"):
        delays(stamps, frames[:1])
    with pytest.raises(ValueError, match="twice"):
        delays(stamps, [*frames, frames[1]])
