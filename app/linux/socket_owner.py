# SPDX-License-Identifier: Apache-2.0
"""Who holds the other end of a local TCP connection, by asking the kernel for that one socket.

The caller rule of docs/protocol.md and of the relay of `./run --vm`. By `app.linux.sock_diag`; on a
kernel without it, by the tables of /proc/net (Documentation/networking/proc_net_tcp.rst of the
Linux sources), of which a bounded part is read. Standard library only.
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
# A table is read in pieces of a page while sockets come and go, so a row can be passed over or
# seen twice. A row that is there for good shows in the next reading.
READINGS = 3
PIECE_BYTES = 64 * 1024
# Of each table; some 50,000 sockets. Any user can make as many as there are ports: then the
# owner is not told from others, and is refused.
MOST_BYTES = 8 * 1024 * 1024
_reading_tables = threading.Lock()  # one at a time: many at once would take the sum of the memory


def owner_uid(
    peer: tuple[str, int],
    local: tuple[str, int],
    proc_net: Path | None = None,
    diag: socket.socket | None = None,
) -> int | None:
    """The user id that owns the peer's end of a connection accepted on this machine.

    `peer` and `local` are what `getpeername()` and `getsockname()` of the accepted socket say.
    None when it cannot be told, and the caller must then refuse: no socket, several, one
    that is not established, or one that no process holds. The answer is about the connection
    that has these addresses *now*: see `is_established`.

    `diag` is what to ask by (`open_diag`), one for each call without it. With `proc_net`,
    tables in this folder are read instead. Raises OSError, ValueError when an address is none.
    """
    client, server = _endpoint(*peer[:2]), _endpoint(*local[:2])
    if proc_net is None:
        try:
            return sole_owner(_ask(client, server, diag))
        except NoSockDiagError:
            proc_net = PROC_NET
    return _owner_in_tables(proc_net, client, server)


def is_established(connection: socket.socket) -> bool:
    """Whether neither end of an accepted connection has closed or reset it.

    To be asked after `owner_uid`: who resets a connection frees its port at once, which another
    user's connection may have by the time that owner is looked up. While our own end is
    established no other connection can have its addresses.
    """
    try:
        state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except OSError:
        return False
    return state[0] == ESTABLISHED


def sole_owner(rows: Iterable[Row]) -> int | None:
    """The owner when there is exactly one row, established and held by a process; else None."""
    found = list(rows)
    if len(found) != 1 or found[0].state != ESTABLISHED or found[0].inode == 0:
        return None
    return found[0].uid


def _ask(client: Endpoint, server: Endpoint, diag: socket.socket | None) -> list[Row]:
    """What the kernel says of the client's socket. Raises NoSockDiagError."""
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
    """The rows, in lines of a table, whose own end is `local` and whose other end is `remote`.

    Both ends of a loopback connection are in the table, each with its own owner, so the
    direction decides: the peer's socket is the one whose *own* address is the peer's.
    """
    for ends in _ends(local, remote):
        place = text.find(ends)
        while place >= 0:
            fields = text[place : text.find(b"\n", place) + 1 or None].split()
            yield Row(local, remote, int(fields[2], 16), int(fields[6]), int(fields[8]))
            place = text.find(ends, place + len(ends))


def _ends(local: Endpoint, remote: Endpoint) -> Iterator[bytes]:
    """Two endpoints as a table writes them, also those of an IPv6 socket that speaks IPv4."""
    yield _table_text(local) + b" " + _table_text(remote) + b" "
    if isinstance(local[0], IPv4Address) and isinstance(remote[0], IPv4Address):
        mapped = [
            _table_text((IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed), port))
            for address, port in (local, remote)
        ]
        yield b" ".join(mapped) + b" "


def _table_text(endpoint: Endpoint) -> bytes:
    """`0100007F:1388`: each 32-bit word of the address as the machine reads it from memory."""
    packed = endpoint[0].packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return b"%s:%04X" % ("".join(f"{word:08X}" for word in words).encode(), endpoint[1])


def _lines(path: Path) -> Iterator[bytes]:
    """A table in pieces of whole lines. Raises OSError when it is too long."""
    rest, read_bytes = b"", 0
    try:
        with path.open("rb", buffering=0) as table:
            while piece := table.read(PIECE_BYTES):
                read_bytes += len(piece)
                if read_bytes > MOST_BYTES:
                    raise OSError(errno.EFBIG, f"{path} is too long, and there is no sock_diag")
                text, _, rest = (rest + piece).rpartition(b"\n")
                yield text + b"\n"
    except FileNotFoundError:
        return  # no tcp6 on a kernel without IPv6; no row then, hence no owner
    yield rest


def _endpoint(address: str, port: int) -> Endpoint:
    return plain(ip_address(address)), port
