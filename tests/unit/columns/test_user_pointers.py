# SPDX-License-Identifier: Apache-2.0
"""Which arguments are a process's own pointers; the types are a fake of BTF."""

from __future__ import annotations

from typing import cast

import pytest

from app.btf.format import Kind
from app.btf.reader import Btf
from app.columns.user_pointers import words_from_user

VOID, CHAR, FILE, SOCKADDR, PATH = 0, 1, 2, 3, 4
POINTER = 10  # to the type of the number less this


class FakeBtf:
    """Types by number: void, char, structs, and pointers to them."""

    def resolve(self, type_id: int) -> int:
        return type_id

    def target(self, type_id: int) -> int:
        return type_id - POINTER

    def kind(self, type_id: int) -> Kind | None:
        if type_id >= POINTER:
            return Kind.PTR
        return {VOID: None, CHAR: Kind.INT}.get(type_id, Kind.STRUCT)

    def name(self, type_id: int) -> str:
        return {FILE: "file", SOCKADDR: "sockaddr", PATH: "path"}[type_id]


def from_user(function: str, **types: int) -> list[str]:
    arguments = [(name, type_id, word) for word, (name, type_id) in enumerate(types.items())]
    mask = words_from_user(cast(Btf, FakeBtf()), function, arguments)
    return [name for name, _, word in arguments if mask >> word & 1]


@pytest.mark.parametrize(
    ("function", "types", "expected"),
    [
        # System calls and what they call with their own arguments.
        ("do_sys_openat2", {"dfd": CHAR, "filename": 11, "how": 12}, ["filename"]),
        ("__do_sys_newfstat", {"fd": CHAR, "statbuf": 10}, ["statbuf"]),
        ("getname_flags", {"filename": 11, "flags": CHAR}, ["filename"]),
        ("vfs_read", {"file": 12, "buf": 11, "count": CHAR, "pos": 11}, ["buf"]),
        ("__sys_connect", {"fd": CHAR, "uservaddr": 13}, ["uservaddr"]),
        ("strncpy_from_user", {"dst": 11, "src": 11, "count": CHAR}, ["src"]),
        # What the kernel has made.
        ("inet_stream_connect", {"sock": 14, "uaddr": 13}, []),
        ("do_epoll_ctl", {"epfd": CHAR, "op": CHAR, "epds": 13}, []),
        ("getname_kernel", {"filename": 11}, []),
        ("kernel_read", {"file": 12, "buf": 10, "count": CHAR, "pos": 11}, []),
        ("do_filp_open", {"dfd": CHAR, "pathname": 14, "op": 14}, []),
        ("strcmp", {"cs": 11, "ct": 11}, []),
        # read() and write() of a file, and names that tell.
        ("write_null", {"file": 12, "buf": 11, "count": CHAR, "ppos": 11}, ["buf"]),
        ("any_function", {"ubuf": 11, "uaddr": 10, "user_path": 14}, ["ubuf", "uaddr"]),
        ("sock_bindtoindex", {"sk": 14, "optval": 11}, ["optval"]),
    ],
)
def test_whose_pointers(function: str, types: dict[str, int], expected: list[str]) -> None:
    assert from_user(function, **types) == expected


def test_a_struct_that_takes_two_words_moves_the_next() -> None:
    arguments = [("dfd", CHAR, 0), ("pair", PATH, 1), ("filename", POINTER + CHAR, 3)]
    assert words_from_user(cast(Btf, FakeBtf()), "do_sys_open", arguments) == 1 << 3
