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
from dataclasses import replace

from app.btf.format import Kind
from app.btf.reader import POINTER_SIZE
from app.btf.type_paths import BOOLS, PathError, Paths, Place
from app.columns.plan import BYTES, DENTRY, MAX_TEXT_BYTES, Read, Text
from app.columns.record_types import BY_RECORD, IN_MEMORY_ONLY, addresses
from app.columns.rendering import (
    RECORD_KINDS,
    Rendering,
    address,
    address_of,
    is_in_record,
    number_at,
    path_of,
    text_at,
)

MAX_LIST = 16
MAX_LIST_OF_BYTES = 8  # a longer one, such as an IPv6 address, is shown as bytes
MAX_FIELDS_BYTES = 16  # of a struct by value that is shown by its fields
MAX_NAMES = 1024  # of an enum's constants
_INTEGERS = (Kind.INT, Kind.ENUM, Kind.ENUM64)


def by_type(paths: Paths, place: Place, at: str) -> Rendering:
    """Return how a value is shown by its type; raises PathError if it cannot be read."""
    kind = paths.kind(place.type)
    if kind in _INTEGERS:
        return _integer(paths, place, at)
    if kind == Kind.ARRAY:
        return _array(paths, place, at)
    if kind == Kind.PTR:
        return _pointer(paths, place, at)
    if kind in RECORD_KINDS:
        shown = BY_RECORD.get(paths.record_name(place.type))
        return shown(paths, place, at) if shown else _too_large(paths, place, at)
    raise PathError(f"a value of type `{paths.text(place.type)}` cannot be shown")


def has_fields(paths: Paths, place: Place) -> bool:
    """Return whether a value is shown by its fields, a column each."""
    if paths.kind(place.type) not in (Kind.STRUCT, Kind.UNION):
        return False
    name = paths.record_name(place.type)
    if name in BY_RECORD and not (place.in_words and name in IN_MEMORY_ONLY):
        return False
    return 0 < paths.size(place.type) <= MAX_FIELDS_BYTES


def by_renderer(paths: Paths, renderer: str, size: int | None, place: Place, at: str) -> Rendering:
    """Return how `renderer(value, size)` is shown; raises PathError."""
    if size is not None and not 1 <= size <= MAX_TEXT_BYTES:
        raise PathError(f"{renderer}() shows 1 to {MAX_TEXT_BYTES} bytes")
    if renderer in ("str", "bytes"):
        return (_string if renderer == "str" else _bytes)(paths, place, at, size)
    return _RENDERERS[renderer](paths, place, at)


def _integer(paths: Paths, place: Place, at: str) -> Rendering:
    value = number_at(paths, place, at)
    if paths.integer_name(place.type) in BOOLS:
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
        return text_at(place, at, count)
    is_bytes = paths.kind(element) == Kind.INT and paths.size(element) == 1
    if is_bytes and MAX_LIST_OF_BYTES < count <= MAX_TEXT_BYTES and not place.in_words:
        return _bytes(paths, place, at, count)
    if not 1 <= count <= MAX_LIST or paths.kind(element) not in (*_INTEGERS, Kind.PTR):
        return _too_large(paths, place, at)
    each = (paths.element(place, number) for number in range(count))
    return Rendering("list", values=tuple(number_at(paths, one, at) for one in each))


def _too_large(paths: Paths, place: Place, at: str) -> Rendering:
    """Return the address of a struct or array; its bytes where the address would say nothing."""
    return _bytes(paths, place, at, None) if is_in_record(place) else address(place, at)


def _pointer(paths: Paths, place: Place, at: str) -> Rendering:
    target = paths.target(place.type)
    if paths.integer_name(target) == "char" or _is_name(paths, place):
        return text_at(paths.pointee(place), at)
    shown = BY_RECORD.get(paths.record_name(target))
    if shown and paths.kind(target) in RECORD_KINDS:
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
        if is_in_record(place):
            raise PathError(
                f"{place.name} is in the record of the tracepoint, whose address says nothing; "
                "bytes() shows it in hexadecimal"
            )
        return address(place, at)
    value = replace(number_at(paths, place, at), signed=False)
    return Rendering("hex", "uint64", (value,), render="hex")


def _record_of(paths: Paths, place: Place) -> Place:
    """Return the struct itself, or the one that a pointer points to."""
    return paths.pointee(place) if paths.kind(place.type) == Kind.PTR else place


def _path(paths: Paths, place: Place, at: str) -> Rendering:
    record = _record_of(paths, place)
    name = paths.record_name(record.type)
    if name == "dentry":
        return path_of(DENTRY, record, at)
    if name in ("file", "path"):
        return BY_RECORD[name](paths, record, at)
    near = [
        each.name
        for each in (paths.fields(record) if paths.kind(record.type) in RECORD_KINDS else ())
        if _leads_to_path(paths, each.place)
    ]
    guess = f"; use one of its fields: {', '.join(near[:5])}" if near else ""
    raise PathError(
        f"path() takes a struct file, path or dentry, not `{paths.text(place.type)}`{guess}",
        tuple(near[:5]),
    )


def _leads_to_path(paths: Paths, place: Place) -> bool:
    type_ = place.type
    if paths.kind(type_) == Kind.PTR:
        type_ = paths.target(type_)
    return paths.kind(type_) in RECORD_KINDS and paths.record_name(type_) in (
        "file",
        "path",
        "dentry",
    )


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
        return text_at(paths.pointee(place), at, size or 0)
    count = paths.count(place.type)
    return text_at(place, at, min(size or MAX_TEXT_BYTES, count or MAX_TEXT_BYTES))


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


def _sock(paths: Paths, place: Place, at: str) -> Rendering:
    record = _record_of(paths, place)
    name = paths.record_name(record.type)
    if paths.kind(record.type) not in RECORD_KINDS:
        raise PathError(
            "sock() takes a struct sock, socket, sk_buff or sockaddr, "
            f"not `{paths.text(place.type)}`"
        )
    has_addresses = name in ("socket", "sk_buff") or name.startswith("sockaddr")
    shown = BY_RECORD.get(name) if has_addresses else None
    return (shown or addresses)(paths, record, at)


def _since(paths: Paths, place: Place, at: str) -> Rendering:
    if paths.kind(place.type) != Kind.INT or paths.size(place.type) != 8 or place.bit_size:
        raise PathError(
            "since() takes a time in nanoseconds of 64 bits (CLOCK_MONOTONIC), "
            f"not `{paths.text(place.type)}`"
        )
    return Rendering("since", "int64", (number_at(paths, place, at),), unit="ns")


_RENDERERS: dict[str, Callable[[Paths, Place, str], Rendering]] = {
    "path": _path,
    "hex": _hex,
    "sock": _sock,
    "since": _since,
}
