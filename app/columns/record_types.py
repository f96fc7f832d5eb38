# SPDX-License-Identifier: Apache-2.0
"""Structs that are shown by something in them: their name, their number, their address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app.btf.format import Kind
from app.btf.type_paths import PathError, Paths, Place
from app.columns.plan import BYTES, PATH, STRING, Read, Text
from app.columns.rendering import Rendering, address_of, number_at, path_of, text_at

COMM_BYTES = 16  # TASK_COMM_LEN, include/linux/sched.h
SOCKADDR_BYTES = 28  # struct sockaddr_in6
_MAX_EMBEDDED = 8  # sock in inet_sock in inet_connection_sock in tcp_sock
_SOCKADDRS = ("sockaddr", "sockaddr_in", "sockaddr_in6", "sockaddr_storage", "sockaddr_unsized")


def _field_text(*steps: str) -> Callable[[Paths, Place, str], Rendering]:
    """Return a rendering: the text at a field, `steps` away."""

    def shown(paths: Paths, record: Place, at: str) -> Rendering:
        place = record
        for step in steps:
            place = paths.member(place, step)
        if paths.kind(place.type) == Kind.ARRAY:
            return text_at(place, at, paths.count(place.type))
        return text_at(paths.pointee(place), at)

    return shown


def _file(paths: Paths, record: Place, at: str) -> Rendering:
    return path_of(PATH, paths.member(record, "f_path"), at)


def _path_struct(paths: Paths, record: Place, at: str) -> Rendering:
    del paths
    return path_of(PATH, record, at)


def _inode(paths: Paths, record: Place, at: str) -> Rendering:
    block = paths.member(paths.member(record, "i_sb"), "s_dev")
    number = paths.member(record, "i_ino")
    return Rendering("inode", values=(number_at(paths, number, at), number_at(paths, block, at)))


def _super_block(paths: Paths, record: Place, at: str) -> Rendering:
    return Rendering("device", values=(number_at(paths, paths.member(record, "s_dev"), at),))


def _task(paths: Paths, record: Place, at: str) -> Rendering:
    comm = address_of(paths.member(record, "comm"), at)
    tgid = number_at(paths, paths.member(record, "tgid"), at)
    return Rendering("task", values=(tgid,), texts=(Text(STRING, comm, COMM_BYTES),))


def _sock_of_field(paths: Paths, record: Place, at: str) -> Rendering:
    """Return the addresses of the `sk` of a socket or sk_buff."""
    return addresses(paths, paths.pointee(paths.member(record, "sk")), at)


def addresses(paths: Paths, record: Place, at: str) -> Rendering:
    """Return addresses and ports: of `sock_common`, with which every kind of sock begins."""
    common = record
    for _ in range(_MAX_EMBEDDED):
        if paths.record_name(common.type) == "sock_common":
            break
        if paths.record_name(common.type) == "sock":
            common = paths.member(common, "__sk_common")
            continue
        first = next(iter(paths.fields(common)), None)
        if first is None or first.place.offset != common.offset:
            break
        common = first.place
    if paths.record_name(common.type) != "sock_common":
        raise PathError(
            f"{record.name or 'the value'} is not a socket but `{paths.text(record.type)}`; "
            "sock() takes a struct sock, socket, sk_buff or sockaddr"
        )
    remote, ours = paths.member(common, "skc_daddr"), paths.member(common, "skc_rcv_saddr")
    port, our_port = paths.member(common, "skc_dport"), paths.member(common, "skc_num")
    if ours.offset != remote.offset + 4 or our_port.offset != port.offset + 2:
        raise PathError("this kernel's struct sock_common has another layout")

    def load(place: Place, size: int) -> Read:
        return Read(at, place.base, place.derefs, place.offset, size)

    values = [
        number_at(paths, paths.member(common, "skc_family"), at),
        load(port, 4),
        load(remote, 8),
    ]
    try:
        for name in ("skc_v6_rcv_saddr", "skc_v6_daddr"):
            ipv6 = paths.member(common, name)
            values += [load(ipv6, 8), load(replace(ipv6, offset=ipv6.offset + 8), 8)]
    except PathError:
        pass  # a kernel without IPv6
    return Rendering("sock", values=tuple(values))


def _sockaddr(paths: Paths, record: Place, at: str) -> Rendering:
    del paths
    return Rendering("sockaddr", texts=(Text(BYTES, address_of(record, at), SOCKADDR_BYTES),))


# Structs that are shown by something in them, also where a pointer leads to them.
BY_RECORD: dict[str, Callable[[Paths, Place, str], Rendering]] = {
    "filename": _field_text("name"),
    "qstr": _field_text("name"),
    "dentry": _field_text("d_name", "name"),
    "file": _file,
    "path": _path_struct,
    "inode": _inode,
    "super_block": _super_block,
    "task_struct": _task,
    "sock": addresses,
    "socket": _sock_of_field,
    "sk_buff": _sock_of_field,
    **dict.fromkeys(_SOCKADDRS, _sockaddr),
    "device": _field_text("kobj", "name"),
    "net_device": _field_text("name"),
    "cgroup": _field_text("kn", "name"),
}
IN_MEMORY_ONLY = ("path", *_SOCKADDRS)
