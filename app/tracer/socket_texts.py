# SPDX-License-Identifier: Apache-2.0
"""Addresses and ports of sockets as texts, all rows at once.

IPv4 is `10.0.0.1:80`, IPv6 `[2001:db8::1]:80` (RFC 5952); other families are `family N`. Numbers
are as a little-endian machine loads them from memory, where addresses are in network order.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.tracer.number_texts import Spans, by_distinct, decimal, join, repeated
from app.tracer.text_columns import Bytes, Texts

Numbers64 = np.ndarray[Any, np.dtype[np.uint64]]
# As in include/linux/socket.h.
AF_INET, AF_INET6 = 2, 10
# struct sockaddr_in and sockaddr_in6 (include/uapi/linux/in.h, in6.h).
SOCKADDR_BYTES = 28
PORT_AT, IPV4_AT, IPV6_AT = 2, 4, 8
IPV4_BYTES, IPV6_BYTES = 4, 16


def socket_pair(
    family: Numbers64,
    ports: Numbers64,
    ipv4: Numbers64,
    ipv6: Sequence[Numbers64],
) -> Texts:
    """Return `ours -> the remote one` of sockets (struct sock_common, include/net/sock.h).

    `ports` has the remote one in network order in its lower 16 bits, ours in host order in the
    next 16; `ipv4` the remote address in its lower half, ours in the upper one; `ipv6` is two words
    of our address and two of the remote one, or empty on a kernel without IPv6.
    """
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    our_port = ports >> np.uint64(16) & np.uint64(0xFFFF)
    ours = _endpoint(family, our_port, ipv4 >> half, ipv6[:2])
    remote = _endpoint(family, _from_network(ports), ipv4 & low, ipv6[2:])
    has_port = _has_port(family, is_ipv6_known=bool(ipv6))
    rest = (repeated(" -> ", len(family)), *remote)
    return join(len(family), *ours, *(piece.only(has_port) for piece in rest))


def socket_address(raw: Texts) -> Texts:
    """Return the text of each struct sockaddr, of which `raw` has the first bytes.

    Those too short for their family are invalid.
    """
    matrix = _heads(raw)
    family = matrix[:, :PORT_AT].copy().view("<u2").reshape(-1).astype(np.uint64)
    port = matrix[:, PORT_AT:IPV4_AT].copy().view(">u2").reshape(-1).astype(np.uint64)
    ipv4 = matrix[:, IPV4_AT : IPV4_AT + IPV4_BYTES].copy().view("<u4").reshape(-1)
    ipv6 = matrix[:, IPV6_AT : IPV6_AT + IPV6_BYTES].copy().view("<u8")
    ends = _endpoint(family, port, ipv4.astype(np.uint64), (ipv6[:, 0], ipv6[:, 1]))
    texts = join(len(family), *ends)
    needed = np.full(len(family), PORT_AT)
    needed[family == AF_INET] = IPV4_AT + IPV4_BYTES
    needed[family == AF_INET6] = IPV6_AT + IPV6_BYTES
    valid = raw.sizes >= needed
    return Texts(texts.offsets, texts.data, valid if raw.valid is None else valid & raw.valid)


def _endpoint(
    family: Numbers64, port: Numbers64, ipv4: Numbers64, ipv6: Sequence[Numbers64]
) -> tuple[Spans, Spans]:
    """Return address and port; with an empty `ipv6`, AF_INET6 is a family like any other."""
    is_ipv6 = family == AF_INET6
    first = np.where(family == AF_INET, ipv4, 0)
    second = np.zeros_like(first)
    if ipv6:
        first, second = np.where(is_ipv6, ipv6[0], first), np.where(is_ipv6, ipv6[1], second)

    def address(family: int, first: int, second: int) -> str:
        if family == AF_INET:
            return socket.inet_ntop(socket.AF_INET, first.to_bytes(4, "little")) + ":"
        if family == AF_INET6 and ipv6:
            raw = first.to_bytes(8, "little") + second.to_bytes(8, "little")
            return f"[{socket.inet_ntop(socket.AF_INET6, raw)}]:"
        return f"family {family}"

    addresses = by_distinct((family, first, second), address)  # many ports, few addresses
    has_port = _has_port(family, is_ipv6_known=bool(ipv6))
    return addresses, decimal(port).only(has_port)


def _has_port(family: Numbers64, *, is_ipv6_known: bool) -> np.ndarray[Any, np.dtype[np.bool_]]:
    has_port: np.ndarray[Any, np.dtype[np.bool_]] = family == AF_INET
    return has_port | (family == AF_INET6) if is_ipv6_known else has_port


def _from_network(ports: Numbers64) -> Numbers64:
    """Return the lower 16 bits with their bytes swapped."""
    byte, width = np.uint64(0xFF), np.uint64(8)
    swapped: Numbers64 = (ports & byte) << width | ports >> width & byte
    return swapped


def _heads(raw: Texts) -> Bytes:
    """Return the first SOCKADDR_BYTES of each text, and of a shorter one those that follow it."""
    padded = np.concatenate([raw.data, np.zeros(SOCKADDR_BYTES, dtype=np.uint8)])
    heads: Bytes = padded[raw.offsets[:-1, None] + np.arange(SOCKADDR_BYTES)]
    return heads
