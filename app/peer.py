# SPDX-License-Identifier: Apache-2.0
"""Who holds the other end of a local TCP connection: a look-up in the kernel's socket tables.

The caller rule of docs/protocol.md and of the relay of `./run --vm`. Format of the tables:
Documentation/networking/proc_net_tcp.rst of the Linux sources. Standard library only.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

Address = IPv4Address | IPv6Address
Endpoint = tuple[Address, int]

ESTABLISHED = 0x01  # TCP_ESTABLISHED, include/net/tcp_states.h
# A table is read in pieces of a page while sockets come and go, so a row can be passed over or
# seen twice. A row that is there for good shows in the next reading.
READINGS = 3


@dataclass(frozen=True)
class Row:
    """One socket: its own end, the end it talks to, its state, its owner and its inode.

    `inode` is 0 once no process holds the socket any more; `uid` then says 0, which is
    the absence of an owner and not root.
    """

    local: Endpoint
    remote: Endpoint
    state: int
    uid: int
    inode: int


def owner_uid(
    peer: tuple[str, int], local: tuple[str, int], proc_net: Path = Path("/proc/net")
) -> int | None:
    """The user id that owns the peer's end of a connection accepted on this machine.

    `peer` and `local` are what `getpeername()` and `getsockname()` of the accepted socket say.
    None when it cannot be told, and the caller must then refuse: no row, several rows, a row
    that is not established, or one that no process holds.

    Raises OSError when a table is there and cannot be read, ValueError when an address is none.
    """
    client, server = _endpoint(*peer[:2]), _endpoint(*local[:2])
    for _ in range(READINGS):
        found = [
            row
            for table in ("tcp", "tcp6")
            for row in rows_between(_table(proc_net / table), client, server)
        ]
        if len(found) == 1:
            return sole_owner(found)
    return None


def sole_owner(rows: Iterable[Row]) -> int | None:
    """The owner when there is exactly one row, established and held by a process; else None."""
    found = list(rows)
    if len(found) != 1 or found[0].state != ESTABLISHED or found[0].inode == 0:
        return None
    return found[0].uid


def rows_between(table: str, local: Endpoint, remote: Endpoint) -> Iterator[Row]:
    """The rows of a table whose own end is `local` and whose other end is `remote`.

    Both ends of a loopback connection are in the table, each with its own owner, so the
    direction decides: the peer's socket is the one whose *own* address is the peer's.
    """
    local_port, remote_port = f":{local[1]:04X}", f":{remote[1]:04X}"
    for line in table.splitlines()[1:]:
        fields = line.split()
        # Ports first: they are text, and a busy machine has thousands of other rows.
        if not (fields[1].endswith(local_port) and fields[2].endswith(remote_port)):
            continue
        row = Row(
            local=_parse_endpoint(fields[1]),
            remote=_parse_endpoint(fields[2]),
            state=int(fields[3], 16),
            uid=int(fields[7]),
            inode=int(fields[9]),
        )
        if (row.local, row.remote) == (local, remote):
            yield row


def _table(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return ""  # no tcp6 on a kernel without IPv6; no row then, hence no owner


def _endpoint(address: str, port: int) -> Endpoint:
    return plain(ip_address(address)), port


def _parse_endpoint(text: str) -> Endpoint:
    """`0100007F:1388`: each 32-bit word of the address as the machine reads it from memory."""
    address, port = text.split(":")
    words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return plain(IPv4Address(packed) if len(words) == 1 else IPv6Address(packed)), int(port, 16)


def plain(address: Address) -> Address:
    """An IPv6 socket that speaks IPv4 shows `::ffff:127.0.0.1`; that is 127.0.0.1."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
