# SPDX-License-Identifier: Apache-2.0
"""Websocket frames by hand (RFC 6455, 5.2), for what no library sends."""

from __future__ import annotations

import socket
import struct


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A client's frame (RFC 6455, 5.2), masked with zeros."""
    head = bytes([opcode | (0x80 if fin else 0)])
    if len(payload) < 126:
        return head + bytes([0x80 | len(payload)]) + bytes(4) + payload
    return head + bytes([0x80 | 126]) + struct.pack(">H", len(payload)) + bytes(4) + payload


def close_code(connection: socket.socket) -> int | None:
    """Read to the end; the code of the server's close frame, None without one."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    at = 0
    while at < len(received):
        opcode, size = received[at] & 15, received[at + 1]
        at += 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size = int.from_bytes(received[at : at + wide], "big")
            at += wide
        if opcode == 8 and size == 0:
            return 1005  # "no status received" (RFC 6455, 7.4.1)
        if opcode == 8:
            return int(struct.unpack(">H", received[at : at + 2])[0])
        at += size
    return None
