# SPDX-License-Identifier: Apache-2.0
"""The binary format of BTF: kinds, sections, and where each type starts.

Documentation/bpf/btf.rst and include/uapi/linux/btf.h of the kernel.
"""

from __future__ import annotations

import struct
import sys
from array import array
from enum import IntEnum

MAGIC = 0xEB9F
HEADER_SIZE = 24


class BtfError(ValueError):
    """The data is not BTF that this reader understands; the message says where and why."""


class Kind(IntEnum):
    """BTF_KIND_* of include/uapi/linux/btf.h."""

    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


MODIFIERS = frozenset({Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG})

# 32-bit words after the three of every type: a fixed number, and a number for each element.
_EXTRA_WORDS: dict[int, tuple[int, int]] = {
    Kind.INT: (1, 0),
    Kind.PTR: (0, 0),
    Kind.ARRAY: (3, 0),
    Kind.STRUCT: (0, 3),
    Kind.UNION: (0, 3),
    Kind.ENUM: (0, 2),
    Kind.FWD: (0, 0),
    Kind.TYPEDEF: (0, 0),
    Kind.VOLATILE: (0, 0),
    Kind.CONST: (0, 0),
    Kind.RESTRICT: (0, 0),
    Kind.FUNC: (0, 0),
    Kind.FUNC_PROTO: (0, 2),
    Kind.VAR: (1, 0),
    Kind.DATASEC: (0, 3),
    Kind.FLOAT: (0, 0),
    Kind.DECL_TAG: (1, 0),
    Kind.TYPE_TAG: (0, 0),
    Kind.ENUM64: (0, 3),
}


def kind_of(info: int) -> int:
    """Return the kind in a type's info word.

    Kernels so far leave bits 16-23 and 29-30 zero. They are read here as high bits of count and
    kind, so that a future format that uses them fails instead of being misread.
    """
    return info >> 24 & 0x7F


def count_of(info: int) -> int:
    """Return how many members, constants or parameters follow (vlen)."""
    return info & 0xFFFFFF


def flag_of(info: int) -> bool:
    """Return the kind_flag, whose meaning depends on the kind."""
    return bool(info >> 31)


def sections(data: bytes, is_split: bool = False) -> tuple[bytes, bytes]:
    """Return the type section, in this machine's byte order, and the string section.

    Offsets count from the end of the header, whose size it says itself: since 2026 it may hold more
    (`layout_off`, `layout_len`) than the 24 bytes that are read here. Split BTF's strings need not
    begin with an empty one, which is its base's.
    """
    byteorder = _byteorder(data)
    prefix = "<" if byteorder == "little" else ">"
    if len(data) < HEADER_SIZE:
        raise BtfError(f"truncated: {len(data)} bytes, but the header alone has {HEADER_SIZE}")
    version, _, header, type_at, type_size, string_at, string_size = struct.unpack_from(
        prefix + "BBIIIII", data, 2
    )
    if version != 1:
        raise BtfError(f"BTF version {version} is not supported, only 1")
    types_from, strings_from = header + type_at, header + string_at
    if header < HEADER_SIZE or max(types_from + type_size, strings_from + string_size) > len(data):
        raise BtfError(f"truncated: sections extend past the end ({len(data)} bytes)")
    if type_size % 4:
        raise BtfError(f"the type section's size, {type_size} bytes, is not a multiple of 4")
    types = data[types_from : types_from + type_size]
    strings = data[strings_from : strings_from + string_size]
    if strings[-1:] != b"\0" and not (is_split and not strings):
        raise BtfError("the string section must end with a NUL")
    if not is_split and strings[0]:
        raise BtfError("the string section must start with a NUL")
    if byteorder != sys.byteorder:
        words = array("I", types)
        words.byteswap()
        types = words.tobytes()
    return types, strings


def starts(words: memoryview[int]) -> list[int]:
    """Return where each type starts, in words; entry 0 (`void`) is -1, so that bisection works."""
    found = [-1]
    sizes: dict[int, int] = {}  # by info word: a kernel has only a few hundred different ones
    at, end = 0, len(words)
    while at + 3 <= end:
        info: int = words[at + 1]
        size = sizes.get(info)
        if size is None:
            extra = _EXTRA_WORDS.get(kind_of(info))
            if extra is None:
                raise BtfError(f"type {len(found)}: unknown kind {kind_of(info)}")
            size = sizes[info] = 3 + extra[0] + extra[1] * count_of(info)
        found.append(at)
        at += size
    if at != end:
        raise BtfError(f"type {len(found) - 1} extends past the end of the type section")
    return found


def _byteorder(data: bytes) -> str:
    if data[:2] == MAGIC.to_bytes(2, "little"):
        return "little"
    if data[:2] == MAGIC.to_bytes(2, "big"):
        return "big"
    raise BtfError("not BTF: the magic number is missing")
