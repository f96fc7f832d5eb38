# SPDX-License-Identifier: Apache-2.0
"""Sockets' addresses, packed as the kernel's structures have them in memory."""

from __future__ import annotations

import socket
import struct

import numpy as np
import pytest

from app.tracer.socket_texts import socket_address, socket_pair
from app.tracer.text_columns import Texts
from tests.unit.tracer.test_text_columns import strings


def packed(host: str, port: int) -> bytes:
    """Return a struct sockaddr_in or sockaddr_in6, as `connect` takes it."""
    if ":" in host:
        address = socket.inet_pton(socket.AF_INET6, host)
        return struct.pack("<H", 10) + struct.pack(">HI", port, 7) + address + struct.pack("<I", 2)
    return struct.pack("<H", 2) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)


def texts_of(rows: list[bytes]) -> Texts:
    offsets = np.array([0, *np.cumsum([len(row) for row in rows])], dtype=np.int32)
    return Texts(offsets, np.frombuffer(b"".join(rows), dtype=np.uint8))


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("255.255.255.255", "255.255.255.255"),
        ("0.0.0.0", "0.0.0.0"),
        ("::", "[::]"),
        ("::1", "[::1]"),
        ("2001:db8:0:0:0:0:0:1", "[2001:db8::1]"),
        # RFC 5952, 4.2.3: of equal runs of zeros the first is shortened.
        ("2001:DB8:0:0:1:0:0:1", "[2001:db8::1:0:0:1]"),
        ("2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]"),
        ("::ffff:10.1.2.3", "[::ffff:10.1.2.3]"),
        ("fe80::a:b", "[fe80::a:b]"),
    ],
)
@pytest.mark.parametrize("port", [0, 1, 80, 443, 256, 65535])
def test_addresses(host: str, shown: str, port: int) -> None:
    assert strings(socket_address(texts_of([packed(host, port)] * 2))) == [f"{shown}:{port}"] * 2


def test_other_families_and_short_addresses() -> None:
    rows = [
        b"\x01\x00/run/socket", b"\x10\x00", b"", b"\x02", packed("1.2.3.4", 5)[:7],
        packed("1.2.3.4", 5)[:8], packed("::1", 5)[:23], packed("::1", 5)[:24], packed("::2", 6),
        packed("::2", 6) + b"more",
    ]  # fmt: skip
    texts = socket_address(texts_of(rows))
    assert texts.valid is not None
    shown = [text if ok else None for text, ok in zip(strings(texts), texts.valid, strict=True)]
    assert shown == [
        "family 1", "family 16", None, None, None,
        "1.2.3.4:5", None, "[::1]:5", "[::2]:6",
        "[::2]:6",
    ]  # fmt: skip


def test_both_ends_of_sockets_of_all_families() -> None:
    """Fields of struct sock_common: skc_daddr, skc_rcv_saddr; skc_dport, skc_num."""
    rows = [
        (2, "10.0.0.1", 5000, "10.0.0.2", 443),
        (10, "fe80::1", 1, "2001:db8::2", 65535),
        (1, "0.0.0.0", 0, "0.0.0.0", 0),
        (2, "0.0.0.0", 22, "0.0.0.0", 0),
        (10, "::ffff:10.0.0.1", 80, "::ffff:10.0.0.2", 256),
    ]
    family = np.array([row[0] for row in rows], dtype=np.uint64)
    ports = words("<Q", [struct.pack(">H", r[4]) + struct.pack("<H", r[2]) for r in rows])
    v4 = [r if r[0] != 10 else (2, "9.9.9.9", 0, "8.8.8.8", 0) for r in rows]
    ipv4 = words("<Q", [socket.inet_aton(r[3]) + socket.inet_aton(r[1]) for r in v4])
    v6 = [r if r[0] == 10 else (10, "7::7", 0, "6::6", 0) for r in rows]
    halves = [
        socket.inet_pton(socket.AF_INET6, r[end])[half : half + 8]
        for end in (1, 3)
        for half in (0, 8)
        for r in v6
    ]
    ipv6 = [words("<Q", halves[i * len(rows) : (i + 1) * len(rows)]) for i in range(4)]
    wanted = [
        "10.0.0.1:5000 -> 10.0.0.2:443",
        "[fe80::1]:1 -> [2001:db8::2]:65535",
        "family 1",
        "0.0.0.0:22 -> 0.0.0.0:0",
        "[::ffff:10.0.0.1]:80 -> [::ffff:10.0.0.2]:256",
    ]
    assert strings(socket_pair(family, ports, ipv4, ipv6)) == wanted
    without = [text if f != 10 else "family 10" for text, f in zip(wanted, family, strict=True)]
    assert strings(socket_pair(family, ports, ipv4, ())) == without


def words(kind: str, rows: list[bytes]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array([struct.unpack(kind, row.ljust(8, b"\0"))[0] for row in rows], dtype=np.uint64)


def test_no_rows() -> None:
    nothing = np.zeros(0, dtype=np.uint64)
    assert strings(socket_pair(nothing, nothing, nothing, [nothing] * 4)) == []
    assert strings(socket_address(texts_of([]))) == []
