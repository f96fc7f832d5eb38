# SPDX-License-Identifier: Apache-2.0
"""Which user holds the other end of a local TCP connection.

This is the caller rule of docs/protocol.md and of the relay of `./run --vm`. The kernel is asked
through `app.linux.sock_diag`; where that is missing, a bounded part of the tables in /proc/net is
read (Documentation/networking/proc_net_tcp.rst of the Linux sources).
"""

from __future__ import annotations

import errno
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from app.linux.sock_diag import (
    Endpoint,
    NoSockDiagError,
    Row,
    find_socket,
    has_sock_diag,
    open_diag,
    plain,
)

ESTABLISHED = 0x01  # TCP_ESTABLISHED, include/net/tcp_states.h
PROC_NET = Path("/proc/net")
# A table is read page by page while sockets come and go, so a row can be missed or seen twice.
# The row of a lasting connection shows in the next reading.
READINGS = 3
PIECE_BYTES = 64 * 1024
# Of each table: some 50,000 sockets. Any user can open as many as there are ports; the owner
# cannot be told then, and is refused.
MOST_BYTES = 8 * 1024 * 1024
_reading_tables = threading.Lock()  # one reader at a time bounds the memory


def owner_uid(
    peer: tuple[str, int],
    local: tuple[str, int],
    proc_net: Path | None = None,
    diag: socket.socket | None = None,
) -> int | None:
    """Return the user id that owns the peer's end of a connection accepted on this machine.

    `peer` and `local` are `getpeername()` and `getsockname()` of the accepted socket. Returns
    None when the owner is uncertain, and the caller must then refuse: no such socket, several, one
    that is not established, or one that no process holds. The answer is about the connection
    that has these addresses *now*: see `is_established`.

    `diag` is a socket of `open_diag`; without it, each call opens its own. With `proc_net`,
    tables in this folder are read instead. Raises OSError, and ValueError for invalid addresses.
    """
    client, server = _endpoint(*peer[:2]), _endpoint(*local[:2])
    if proc_net is None:
        try:
            return sole_owner(_ask(client, server, diag))
        except NoSockDiagError:
            proc_net = PROC_NET
    return _owner_in_tables(proc_net, client, server)


def is_established(connection: socket.socket) -> bool:
    """Return whether neither end of an accepted connection has closed or reset it.

    Check it after `owner_uid`: a client that resets its connection frees the port at once, and
    another user's connection may have it by the time of the look-up. While our own end is
    established, no other connection can have its addresses.
    """
    try:
        state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except OSError:
        return False
    return state[0] == ESTABLISHED


def sole_owner(rows: Iterable[Row]) -> int | None:
    """Return the owner if there is one row only, established and held by a process, else None."""
    found = list(rows)
    if len(found) != 1 or found[0].state != ESTABLISHED or found[0].inode == 0:
        return None
    return found[0].uid


def _ask(client: Endpoint, server: Endpoint, diag: socket.socket | None) -> list[Row]:
    """Ask the kernel for the client's socket; raises NoSockDiagError."""
    if diag is None:
        with open_diag() as own:
            return _ask(client, server, own)
    row = find_socket(diag, client, server)
    if row is None and not has_sock_diag():
        raise NoSockDiagError
    return [] if row is None else [row]


def _owner_in_tables(proc_net: Path, client: Endpoint, server: Endpoint) -> int | None:
    with _reading_tables:
        for _ in range(READINGS):
            found = [
                row
                for name in ("tcp", "tcp6")
                for line in _lines(proc_net / name)
                for row in rows_between(line, client, server)
            ]
            if len(found) == 1:
                return sole_owner(found)
    return None


def rows_between(text: bytes, local: Endpoint, remote: Endpoint) -> Iterator[Row]:
    """Yield the rows, among lines of a table, from `local` to `remote`.

    Both ends of a loopback connection are in the table, each with its owner, so the direction
    decides: the peer's socket is the one whose *local* address is the peer's.
    """
    for ends in _ends(local, remote):
        place = text.find(ends)
        while place >= 0:
            fields = text[place : text.find(b"\n", place) + 1 or None].split()
            yield Row(local, remote, int(fields[2], 16), int(fields[6]), int(fields[8]))
            place = text.find(ends, place + len(ends))


def _ends(local: Endpoint, remote: Endpoint) -> Iterator[bytes]:
    """Yield two endpoints as the tables write them, also for an IPv6 socket that speaks IPv4."""
    yield _table_text(local) + b" " + _table_text(remote) + b" "
    if isinstance(local[0], IPv4Address) and isinstance(remote[0], IPv4Address):
        mapped = [
            _table_text((IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed), port))
            for address, port in (local, remote)
        ]
        yield b" ".join(mapped) + b" "


def _table_text(endpoint: Endpoint) -> bytes:
    """Return `0100007F:1388`: the address in 32-bit words of native byte order, in hex."""
    packed = endpoint[0].packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return b"%s:%04X" % ("".join(f"{word:08X}" for word in words).encode(), endpoint[1])


def _lines(path: Path) -> Iterator[bytes]:
    """Yield a table in pieces of whole lines. Raises OSError when it is too long."""
    rest, read_bytes = b"", 0
    try:
        with path.open("rb", buffering=0) as table:
            while piece := table.read(PIECE_BYTES):
                read_bytes += len(piece)
                if read_bytes > MOST_BYTES:
                    raise OSError(
                        errno.EFBIG,
                        f"{path} is longer than {MOST_BYTES} bytes, and sock_diag is missing",
                    )
                text, _, rest = (rest + piece).rpartition(b"\n")
                yield text + b"\n"
    except FileNotFoundError:
        return  # a kernel without IPv6 has no tcp6
    yield rest


def _endpoint(address: str, port: int) -> Endpoint:
    return plain(ip_address(address)), port
