# SPDX-License-Identifier: Apache-2.0
"""Websocket clients in one process: python -m benchmarks.reader PORT CLIENTS [--keep].

Reads frames as fast as they arrive and decodes only their number of rows, so that its own cost is
small. Answers each command on standard input with one line of JSON: `count` returns totals,
`save FILE` writes the frames that --keep has stored (see `read_kept`).
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.arrow_rows import rows_in
from tests.support.waiting import wait_until
from tests.support.websocket_frames import frame

READ_BYTES = 1 << 18
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEPT_HEADER = struct.Struct(
    "<QI"
)  # CLOCK_MONOTONIC when the frame was complete, ns; size of its payload


@dataclass
class Connection:
    """One client. `bytes_` counts binary frames on the wire, with their headers."""

    socket: socket.socket
    rows: int = 0
    bytes_: int = 0
    frames: int = 0
    lost: int = 0
    buffer: bytearray = field(default_factory=bytearray)
    message: bytearray = field(default_factory=bytearray)
    kept: list[tuple[int, bytes]] | None = None

    def feed(self, data: memoryview) -> None:
        """Process received data; raises RuntimeError when the service closes the websocket."""
        self.buffer += data
        used = 0
        for opcode, finished, start, end in frames_in(self.buffer):
            payload = self.buffer[start:end]
            if opcode == PING:
                self.socket.sendall(frame(PONG, bytes(payload)))
            elif opcode == CLOSE:
                raise RuntimeError("the service closed the websocket")
            else:
                kind = opcode or self._kind
                self._kind = kind
                if kind == BINARY:
                    self.bytes_ += end - used
                self._part(kind, payload, finished)
            used = end
        del self.buffer[:used]

    _kind: int = 0

    def _part(self, kind: int, payload: bytearray, finished: bool) -> None:
        if not finished or self.message:
            self.message += payload
            payload = self.message
        if not finished:
            return
        if kind == BINARY:
            self.frames += 1
            self.rows += rows_in(payload)
            if self.kept is not None:
                self.kept.append((time.monotonic_ns(), bytes(payload)))
        elif b'"gap"' in payload:
            control = json.loads(payload)
            self.lost += (control["rows"] or 0) if control["type"] == "gap" else 0
        self.message = bytearray()


def frames_in(data: bytearray) -> Iterator[tuple[int, bool, int, int]]:
    """Yield complete unmasked frames (RFC 6455, 5.2): opcode, FIN bit, start and end of payload."""
    at = 0
    while at + 2 <= len(data):
        size, start = data[at + 1] & 127, at + 2
        if size == 126:
            size, start = int.from_bytes(data[start : start + 2], "big"), at + 4
        elif size == 127:
            size, start = int.from_bytes(data[start : start + 8], "big"), at + 10
        if start + size > len(data) or start > len(data):
            return
        yield data[at] & 15, bool(data[at] & 128), start, start + size
        at = start + size


def connect(port: int, keep: bool) -> Connection:
    """Connect a client; waits while clients that have left still count against the limit."""
    found = wait_until(lambda: try_to_connect(port, keep), "room for a websocket")
    assert found
    return found


def try_to_connect(port: int, keep: bool) -> Connection | None:
    """Connect a client without recent events; return None on 503, the limit of websockets."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(
        f"GET /ws?recent=0 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        if not data:
            raise RuntimeError(f"the connection closed during the websocket handshake: {head!r}")
        head += data
    status = head.split(b"\r\n", 1)[0]
    if b" 503 " in status:
        connection.close()
        return None
    if b" 101 " not in status:
        raise RuntimeError(f"the service refused the websocket: {head!r}")
    found = Connection(connection, kept=[] if keep else None)
    found.feed(memoryview(head.split(b"\r\n\r\n", 1)[1]))
    return found


def answer(command: str, connections: list[Connection]) -> object:
    """Return the answer to a command."""
    name, _, rest = command.partition(" ")
    if name == "count":
        # All clients have everything once the slowest has.
        slowest = min(connections, key=lambda it: it.rows + it.lost)
        return {
            "rows": slowest.rows,
            "lost": max(it.lost for it in connections),
            "bytes": slowest.bytes_,
            "frames": slowest.frames,
        }
    if name == "save":
        with Path(rest).open("wb") as file:
            for stamp_ns, payload in connections[0].kept or []:
                file.write(KEPT_HEADER.pack(stamp_ns, len(payload)) + payload)
        connections[0].kept = []
        return {}
    raise ValueError(f"unknown command: {command!r}")


def read_kept(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield arrival times and payloads from a file that `save` wrote."""
    at = 0
    while at < len(data):
        stamp_ns, size = KEPT_HEADER.unpack_from(data, at)
        at += KEPT_HEADER.size
        yield stamp_ns, data[at : at + size]
        at += size


def main() -> None:
    """Read until standard input is closed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("clients", type=int)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    connections = [connect(options.port, options.keep) for _ in range(options.clients)]
    selector = selectors.DefaultSelector()
    for connection in connections:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    selector.register(sys.stdin, selectors.EVENT_READ)
    buffer = bytearray(READ_BYTES)
    view = memoryview(buffer)
    print(json.dumps({}), flush=True)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                line = sys.stdin.readline()
                if not line:
                    return
                print(json.dumps(answer(line.strip(), connections)), flush=True)
                continue
            size = key.data.socket.recv_into(buffer)
            if not size:
                raise RuntimeError("the service closed the connection")
            key.data.feed(view[:size])


if __name__ == "__main__":
    main()
