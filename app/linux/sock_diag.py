# SPDX-License-Identifier: Apache-2.0
"""Look up one local TCP socket by its two addresses: NETLINK_SOCK_DIAG, sock_diag(7).

The kernel finds it in its hash table, at the same cost however many sockets there are;
/proc/net/tcp prints a line for each.
"""

from __future__ import annotations

import errno
import functools
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address
Endpoint = tuple[Address, int]

# include/uapi/linux/{netlink,sock_diag,inet_diag}.h
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
NLMSG_ERROR = 2
HEADER = struct.Struct("=IHHII")  # nlmsghdr: size, type, flags, sequence number, port
REQUEST = struct.Struct("=BBBxI")  # inet_diag_req_v2 before its id: family, protocol, ext, states
SOCKET_ID = struct.Struct("!HH16s16s")  # inet_diag_sockid: ports, addresses ...
ANY_INTERFACE_AND_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # ... and the rest
REPLY = struct.Struct("=BBxx")  # inet_diag_msg: family, state, timer, retransmissions
OWNER = struct.Struct("=IIIII")  # expiry, receive queue, send queue, uid, inode
ALL_STATES = 0xFFFFFFFF
REPLY_BYTES = 8192
ANSWER_S = 5.0  # never reached: the kernel answers before `send` returns


class NoSockDiagError(Exception):
    """The kernel lacks sock_diag, or this process may not use it."""


@dataclass(frozen=True)
class Row:
    """One socket: its local and remote end, its state, owner and inode.

    `inode` is 0 once no process holds the socket; `uid` is then 0 too, which means no owner
    rather than root.
    """

    local: Endpoint
    remote: Endpoint
    state: int
    uid: int
    inode: int


def open_diag() -> socket.socket:
    """Open a socket for `find_socket`, in the calling thread's network namespace.

    Raises NoSockDiagError.
    """
    try:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        diag = socket.socket(socket.AF_NETLINK, kind, NETLINK_SOCK_DIAG)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            raise
        raise NoSockDiagError(str(error)) from error
    diag.settimeout(ANSWER_S)
    return diag


def find_socket(diag: socket.socket, local: Endpoint, remote: Endpoint) -> Row | None:
    """Return the TCP socket between `local` and `remote`, or None.

    Both are plain addresses: an IPv6 socket that speaks IPv4 is found by its IPv4 addresses.
    Raises NoSockDiagError when the kernel refuses the request, and OSError.
    """
    is_4 = isinstance(local[0], IPv4Address)
    family = socket.AF_INET if is_4 else socket.AF_INET6
    request = REQUEST.pack(family, socket.IPPROTO_TCP, 0, ALL_STATES) + SOCKET_ID.pack(
        local[1], remote[1], local[0].packed, remote[0].packed
    )
    payload = request + ANY_INTERFACE_AND_COOKIE
    size = HEADER.size + len(payload)
    diag.send(HEADER.pack(size, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0) + payload)
    reply, sender = diag.recvfrom(REPLY_BYTES)
    _, kind, _, _, _ = HEADER.unpack_from(reply)
    if sender[0] != 0:  # 0 is the kernel
        raise OSError(errno.EPROTO, "netlink answer from another process instead of the kernel")
    if kind == NLMSG_ERROR:
        (code,) = struct.unpack_from("=i", reply, HEADER.size)
        if -code == errno.ENOENT:
            return None  # or the module inet_diag is missing: see has_sock_diag
        raise NoSockDiagError(f"sock_diag: {errno.errorcode.get(-code, code)}")
    if kind != SOCK_DIAG_BY_FAMILY:
        raise NoSockDiagError(f"sock_diag: unexpected message type {kind}")
    row = _row(reply)
    # Without such a connection, the kernel returns a socket that listens on the local address.
    return row if (row.local, row.remote) == (local, remote) else None


@functools.cache
def has_sock_diag() -> bool:
    """Return whether sock_diag works, by looking up a socket that exists; once in a process.

    A kernel without the module inet_diag answers ENOENT, as for a missing socket.
    """
    try:
        with open_diag() as diag, socket.create_server(("127.0.0.1", 0)) as known:
            address, port = known.getsockname()
            nowhere = IPv4Address(0)
            return find_socket(diag, (IPv4Address(address), port), (nowhere, 0)) is not None
    except NoSockDiagError:
        return False


def _row(reply: bytes) -> Row:
    """What an inet_diag_msg says."""
    place = HEADER.size
    family, state = REPLY.unpack_from(reply, place)
    place += REPLY.size
    local_port, remote_port, local, remote = SOCKET_ID.unpack_from(reply, place)
    place += SOCKET_ID.size + len(ANY_INTERFACE_AND_COOKIE)
    _, _, _, uid, inode = OWNER.unpack_from(reply, place)
    size = 4 if family == socket.AF_INET else 16
    return Row(
        (plain(ip_address(local[:size])), local_port),
        (plain(ip_address(remote[:size])), remote_port),
        state,
        uid,
        inode,
    )


def plain(address: Address) -> Address:
    """Return the IPv4 address of an IPv4-mapped one (`::ffff:127.0.0.1`), others as they are."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
