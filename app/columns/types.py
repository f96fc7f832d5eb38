# SPDX-License-Identifier: Apache-2.0
"""From BTF type to column: the one table of how values are shown without a renderer.

Decoders, by name, and what each takes. A value is a 64-bit word, already narrowed by its Read,
signed if the Read is; a column is null in a row where one of its values or texts is unreadable.

| decoder | column type | values | texts | a cell |
|---|---|---|---|---|
| head | by name | - | - | the head's number or text of the column's own name: time, pid, tid, uid, process, comm, cpu, latency_ns |
| number | int32, uint32, int64, uint64 | 1 | - | the number |
| hex | uint64 (`render` hex) | 1 | - | the number |
| bool | bool | 1 | - | whether it is not 0 |
| name | int32, uint32, int64, uint64 (`render` name) | 1 | - | the number; `Output.names` has its names |
| text | text | - | 1 | the text |
| bytes | text | - | 1 | two hexadecimal digits a byte: `0a1b` |
| error | text | 1 | - | the error's name if the number, as a signed one, is from -4095 to -1; else null |
| device | text | 1 | - | `major:minor` of a dev_t: major is the number >> 20, minor the lower 20 bits |
| inode | text | 2: i_ino, s_dev | - | `ino on major:minor` |
| task | text | 1: tgid | 1: comm | `comm (tgid)` |
| sock | text | 3 or 7 | - | `address:port -> address:port`, ours first; `[v6]:port`; `family N` for others |
| sockaddr | text | - | 1: its first 28 bytes | `address:port`; `family N` for others |
| list | text | 1 to 16 | - | `[1, 2, 3]`, each signed if its Read is |
| since | int64 (unit ns) | 1: a time of CLOCK_MONOTONIC | - | the head's entry_ns less the number |

The values of `sock`: family; ports (the lower 16 bits the remote port in network order, bits 16 to
31 the local one in host order); IPv4 addresses (the lower 32 bits the remote one, the upper ones
ours, bytes in network order); then, where the kernel has IPv6, our address (2 words) and the remote
one (2 words), bytes in network order. Family 2 is AF_INET, 10 AF_INET6. All numbers are as loaded
from memory by a little-endian machine.
"""  # noqa: E501 - a table

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from app.btf.format import Kind
from app.btf.reader import POINTER_SIZE
from app.btf.type_paths import Number, PathError, Paths, Place
from app.columns.plan import (
    BYTES,
    DENTRY,
    MAX_TEXT_BYTES,
    PATH,
    STRING,
    Read,
    Text,
)

MAX_LIST = 16
MAX_LIST_OF_BYTES = 8  # a longer one, such as an IPv6 address, is shown as bytes
MAX_FIELDS_BYTES = 16  # of a struct by value that is shown by its fields
MAX_NAMES = 1024  # of an enum's constants
COMM_BYTES = 16  # TASK_COMM_LEN, include/linux/sched.h
SOCKADDR_BYTES = 28  # struct sockaddr_in6
_MAX_EMBEDDED = 8  # sock in inet_sock in inet_connection_sock in tcp_sock
_INTEGERS = (Kind.INT, Kind.ENUM, Kind.ENUM64)
_RECORDS = (Kind.STRUCT, Kind.UNION, Kind.FWD)
_SOCKADDRS = ("sockaddr", "sockaddr_in", "sockaddr_in6", "sockaddr_storage", "sockaddr_unsized")


@dataclass(frozen=True)
class Rendering:
    """How a value becomes a column. `type`, `render` and `unit` are the column's."""

    decoder: str
    type: str = "text"
    values: tuple[Read, ...] = ()
    texts: tuple[Text, ...] = ()
    names: tuple[tuple[int, str], ...] = ()
    table: str | None = None  # the name of `names`
    render: str | None = None
    unit: str | None = None


def by_type(paths: Paths, place: Place, at: str) -> Rendering:
    """Return how a value is shown by its type; raises PathError if it cannot be read."""
    kind = paths.kind(place.type)
    if kind in _INTEGERS:
        return _integer(paths, place, at)
    if kind == Kind.ARRAY:
        return _array(paths, place, at)
    if kind == Kind.PTR:
        return _pointer(paths, place, at)
    if kind in _RECORDS:
        shown = _BY_RECORD.get(paths.record_name(place.type))
        return shown(paths, place, at) if shown else _address(place, at)
    raise PathError(f"a value of type `{paths.text(place.type)}` cannot be shown")


def has_fields(paths: Paths, place: Place) -> bool:
    """Return whether a value is shown by its fields, a column each."""
    if paths.kind(place.type) not in (Kind.STRUCT, Kind.UNION):
        return False
    name = paths.record_name(place.type)
    if name in _BY_RECORD and not (place.in_words and name in _IN_MEMORY_ONLY):
        return False
    return 0 < paths.size(place.type) <= MAX_FIELDS_BYTES


def by_renderer(paths: Paths, renderer: str, size: int | None, place: Place, at: str) -> Rendering:
    """Return how `renderer(value, size)` is shown; raises PathError."""
    if size is not None and not 1 <= size <= MAX_TEXT_BYTES:
        raise PathError(f"{renderer}() shows 1 to {MAX_TEXT_BYTES} bytes")
    if renderer in ("str", "bytes"):
        return (_string if renderer == "str" else _bytes)(paths, place, at, size)
    return _RENDERERS[renderer](paths, place, at)


def read(number: Number, place: Place, at: str) -> Read:
    """Return the Read that loads a place's number."""
    base, offset = place.base, number.offset
    if place.in_words:
        base, offset = base + number.offset // 8, 0
    return Read(
        at,
        base,
        place.derefs,
        offset,
        number.size,
        number.left,
        number.right,
        number.signed,
    )


def address_of(place: Place, at: str) -> Read:
    """Return the Read that computes a place's address; raises PathError if it is in registers."""
    if place.in_words:
        raise PathError(f"{place.name or 'the value'} is passed in registers: it has no address")
    if place.bit_size:
        raise PathError(f"{place.name} is a bit-field: it has no address")
    return Read(at, place.base, place.derefs, place.offset, 0)


def _number(paths: Paths, place: Place, at: str) -> Read:
    return read(paths.number(place), place, at)


def _integer(paths: Paths, place: Place, at: str) -> Rendering:
    value = _number(paths, place, at)
    if paths.integer_name(place.type) in ("_Bool", "bool"):
        return Rendering("bool", "bool", (value,))
    bits = place.bit_size or paths.size(place.type) * 8
    type_ = ("int" if value.signed else "uint") + ("32" if bits <= 32 else "64")
    if paths.is_typedef(place.type, "dev_t"):
        return Rendering("device", values=(value,))
    if paths.kind(place.type) == Kind.INT:
        return Rendering("number", type_, (value,))
    return _enum(paths, place, type_, value)


def _enum(paths: Paths, place: Place, type_: str, value: Read) -> Rendering:
    type_id = paths.resolved(place.type)
    constants = paths.btf.enumerators(type_id)
    if not constants or len(constants) > MAX_NAMES:
        return Rendering("number", type_, (value,))
    size_bits = paths.size(place.type) * 8
    names: dict[int, str] = {}
    for each in constants:
        number = each.value
        if value.signed and number >> (size_bits - 1):  # marked as unsigned, but is not
            number -= 1 << size_bits
        names.setdefault(number, each.name)
    table = paths.btf.name(type_id) or place.name
    return Rendering(
        "name", type_, (value,), names=tuple(names.items()), table=table, render="name"
    )


def _array(paths: Paths, place: Place, at: str) -> Rendering:
    element, count = paths.target(place.type), paths.count(place.type)
    if paths.integer_name(element) == "char" and not place.in_words:
        return _text_at(place, at, count)
    is_bytes = paths.kind(element) == Kind.INT and paths.size(element) == 1
    if is_bytes and MAX_LIST_OF_BYTES < count <= MAX_TEXT_BYTES and not place.in_words:
        return _bytes(paths, place, at, count)
    if not 1 <= count <= MAX_LIST or paths.kind(element) not in (*_INTEGERS, Kind.PTR):
        return _address(place, at)
    each = (paths.element(place, number) for number in range(count))
    return Rendering("list", values=tuple(_number(paths, one, at) for one in each))


def _pointer(paths: Paths, place: Place, at: str) -> Rendering:
    target = paths.target(place.type)
    if paths.integer_name(target) == "char" or _is_name(paths, place):
        return _text_at(paths.pointee(place), at)
    shown = _BY_RECORD.get(paths.record_name(target))
    if shown and paths.kind(target) in _RECORDS:
        try:
            return shown(paths, paths.pointee(place), at)
        except PathError:
            pass  # a kernel whose struct has other fields: its address is shown
    return _hex(paths, place, at)


def _is_name(paths: Paths, place: Place) -> bool:
    """Return whether a pointer is to a name of unsigned characters, as that of a qstr is."""
    name, target = place.name, paths.target(place.type)
    is_called = name == "name" or name.endswith("_name")
    return is_called and paths.integer_name(target) == "unsigned char"


def _hex(paths: Paths, place: Place, at: str) -> Rendering:
    if paths.kind(place.type) in (Kind.STRUCT, Kind.UNION, Kind.ARRAY):
        if place.in_words and paths.size(place.type) <= POINTER_SIZE and place.offset == 0:
            unused = 64 - 8 * paths.size(place.type)
            word = Read(at, place.base, size=0, left=unused, right=unused)
            return Rendering("hex", "uint64", (word,), render="hex")
        return _address(place, at)
    value = replace(_number(paths, place, at), signed=False)
    return Rendering("hex", "uint64", (value,), render="hex")


def _address(place: Place, at: str) -> Rendering:
    return Rendering("hex", "uint64", (address_of(place, at),), render="hex")


def _text_at(place: Place, at: str, size: int = 0) -> Rendering:
    limit = min(size or MAX_TEXT_BYTES, MAX_TEXT_BYTES)
    return Rendering("text", texts=(Text(STRING, address_of(place, at), limit),))


def _field_text(*steps: str) -> Callable[[Paths, Place, str], Rendering]:
    """Return a rendering: the text at a field, `steps` away."""

    def shown(paths: Paths, record: Place, at: str) -> Rendering:
        place = record
        for step in steps:
            place = paths.member(place, step)
        if paths.kind(place.type) == Kind.ARRAY:
            return _text_at(place, at, paths.count(place.type))
        return _text_at(paths.pointee(place), at)

    return shown


def _file(paths: Paths, record: Place, at: str) -> Rendering:
    return _path_of(PATH, paths.member(record, "f_path"), at)


def _path_struct(paths: Paths, record: Place, at: str) -> Rendering:
    del paths
    return _path_of(PATH, record, at)


def _path_of(kind: str, place: Place, at: str) -> Rendering:
    return Rendering("text", texts=(Text(kind, address_of(place, at), MAX_TEXT_BYTES),))


def _inode(paths: Paths, record: Place, at: str) -> Rendering:
    block = paths.member(paths.member(record, "i_sb"), "s_dev")
    number = paths.member(record, "i_ino")
    return Rendering("inode", values=(_number(paths, number, at), _number(paths, block, at)))


def _super_block(paths: Paths, record: Place, at: str) -> Rendering:
    return Rendering("device", values=(_number(paths, paths.member(record, "s_dev"), at),))


def _task(paths: Paths, record: Place, at: str) -> Rendering:
    comm = address_of(paths.member(record, "comm"), at)
    tgid = _number(paths, paths.member(record, "tgid"), at)
    return Rendering("task", values=(tgid,), texts=(Text(STRING, comm, COMM_BYTES),))


def _sock_of_field(paths: Paths, record: Place, at: str) -> Rendering:
    """Return the addresses of the `sk` of a socket or sk_buff."""
    return _sock(paths, paths.pointee(paths.member(record, "sk")), at)


def _sock(paths: Paths, record: Place, at: str) -> Rendering:
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
        _number(paths, paths.member(common, "skc_family"), at),
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
_BY_RECORD: dict[str, Callable[[Paths, Place, str], Rendering]] = {
    "filename": _field_text("name"),
    "qstr": _field_text("name"),
    "dentry": _field_text("d_name", "name"),
    "file": _file,
    "path": _path_struct,
    "inode": _inode,
    "super_block": _super_block,
    "task_struct": _task,
    "sock": _sock,
    "socket": _sock_of_field,
    "sk_buff": _sock_of_field,
    **dict.fromkeys(_SOCKADDRS, _sockaddr),
    "device": _field_text("kobj", "name"),
    "net_device": _field_text("name"),
    "cgroup": _field_text("kn", "name"),
}
_IN_MEMORY_ONLY = ("path", *_SOCKADDRS)


def _record_of(paths: Paths, place: Place) -> Place:
    """Return the struct itself, or the one that a pointer points to."""
    return paths.pointee(place) if paths.kind(place.type) == Kind.PTR else place


def _path(paths: Paths, place: Place, at: str) -> Rendering:
    record = _record_of(paths, place)
    name = paths.record_name(record.type)
    if name == "dentry":
        return _path_of(DENTRY, record, at)
    if name in ("file", "path"):
        return _BY_RECORD[name](paths, record, at)
    near = [
        each.name
        for each in (paths.fields(record) if paths.kind(record.type) in _RECORDS else ())
        if _leads_to_path(paths, each.place)
    ]
    guess = f"; of its fields, {', '.join(near[:5])} can be taken" if near else ""
    raise PathError(
        f"path() takes a struct file, path or dentry, not `{paths.text(place.type)}`{guess}",
        tuple(near[:5]),
    )


def _leads_to_path(paths: Paths, place: Place) -> bool:
    type_ = place.type
    if paths.kind(type_) == Kind.PTR:
        type_ = paths.target(type_)
    return paths.kind(type_) in _RECORDS and paths.record_name(type_) in ("file", "path", "dentry")


def _string(paths: Paths, place: Place, at: str, size: int | None) -> Rendering:
    kind = paths.kind(place.type)
    if kind not in (Kind.PTR, Kind.ARRAY):
        raise PathError(
            f"str() takes a pointer to characters or an array, not `{paths.text(place.type)}`"
        )
    element = paths.target(place.type)
    one_byte = paths.kind(element) == Kind.INT and paths.size(element) == 1
    if not one_byte and paths.kind(element) is not None:
        raise PathError(f"str() takes characters, not `{paths.text(place.type)}`")
    if kind == Kind.PTR:
        return _text_at(paths.pointee(place), at, size or 0)
    count = paths.count(place.type)
    return _text_at(place, at, min(size or MAX_TEXT_BYTES, count or MAX_TEXT_BYTES))


def _bytes(paths: Paths, place: Place, at: str, size: int | None) -> Rendering:
    kind = paths.kind(place.type)
    if kind not in (Kind.PTR, Kind.ARRAY, Kind.STRUCT, Kind.UNION):
        raise PathError(f"bytes() takes a pointer, array or struct, not `{paths.text(place.type)}`")
    at_place = paths.pointee(place) if kind == Kind.PTR else place
    if size is None:
        if paths.kind(at_place.type) in (None, Kind.FUNC_PROTO, Kind.FWD):
            raise PathError("bytes() needs a number of bytes here: bytes(x, 16)")
        size = min(paths.size(at_place.type), MAX_TEXT_BYTES)
        if size == 0:
            raise PathError("bytes() needs a number of bytes here: bytes(x, 16)")
    return Rendering("bytes", texts=(Text(BYTES, address_of(at_place, at), size),))


def _sock_renderer(paths: Paths, place: Place, at: str) -> Rendering:
    record = _record_of(paths, place)
    shown = _BY_RECORD.get(paths.record_name(record.type), _sock)
    if shown not in (_sock, _sock_of_field, _sockaddr):
        shown = _sock
    if paths.kind(record.type) not in _RECORDS:
        raise PathError(
            "sock() takes a struct sock, socket, sk_buff or sockaddr, "
            f"not `{paths.text(place.type)}`"
        )
    return shown(paths, record, at)


def _since(paths: Paths, place: Place, at: str) -> Rendering:
    if paths.kind(place.type) != Kind.INT or paths.size(place.type) != 8 or place.bit_size:
        raise PathError(
            "since() takes a time in nanoseconds of 64 bits (CLOCK_MONOTONIC), "
            f"not `{paths.text(place.type)}`"
        )
    return Rendering("since", "int64", (_number(paths, place, at),), unit="ns")


_RENDERERS: dict[str, Callable[[Paths, Place, str], Rendering]] = {
    "path": _path,
    "hex": _hex,
    "sock": _sock_renderer,
    "since": _since,
}
