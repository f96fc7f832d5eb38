# SPDX-License-Identifier: Apache-2.0
"""How every row of the table of types is shown, and what is read for it."""

from __future__ import annotations

import pytest

from app.btf.type_paths import PathError, Paths, Place, Type
from app.columns import types
from app.columns.plan import BYTES, DENTRY, ENTRY, PATH, STRING, Read, Text
from app.columns.rendering import Rendering
from app.columns.types import by_renderer, by_type, has_fields
from tests.support.small_kernel import SmallKernel

KERNEL = SmallKernel()


@pytest.fixture(scope="module")
def paths() -> Paths:
    return Paths(KERNEL.btf())


def argument(kind: str) -> Place:
    if kind.endswith(" *") and kind != "void *":
        return Place(Type(KERNEL[kind.removesuffix(" *")], 1), 0, in_words=True, name="x")
    return Place(Type(KERNEL[kind]), 0, in_words=True, name="x")


def word(left: int = 0, *, signed: bool = False) -> Read:
    return Read(ENTRY, 0, size=0, left=left, right=left, signed=signed)


def load(*offsets: int, size: int = 8, signed: bool = False) -> Read:
    unused = 64 - 8 * size if signed else 0
    return Read(ENTRY, 0, offsets[:-1], offsets[-1], size, unused, unused, signed)


def text(kind: str, *offsets: int, limit: int = 4096) -> Text:
    return Text(kind, load(*offsets, size=0), limit)


HEX = Rendering("hex", "uint64", (word(),), render="hex")
SOCK = (
    load(16, size=2),
    load(12, size=4),
    load(0),
    load(72),
    load(80),
    load(56),
    load(64),
)


def behind(offset: int, reads: tuple[Read, ...]) -> tuple[Read, ...]:
    return tuple(
        Read(r.at, r.base, (offset, *r.derefs), r.offset, r.size, r.left, r.right, r.signed)
        for r in reads
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("char", Rendering("number", "int32", (word(56, signed=True),))),
        ("unsigned char", Rendering("number", "uint32", (word(56),))),
        ("short", Rendering("number", "int32", (word(48, signed=True),))),
        ("unsigned short", Rendering("number", "uint32", (word(48),))),
        ("int", Rendering("number", "int32", (word(32, signed=True),))),
        ("unsigned int", Rendering("number", "uint32", (word(32),))),
        ("long", Rendering("number", "int64", (word(signed=True),))),
        ("unsigned long", Rendering("number", "uint64", (word(),))),
        ("bool", Rendering("bool", "bool", (word(56),))),
        ("dev_t", Rendering("device", values=(word(32),))),
        (
            "color",
            Rendering(
                "name", "uint32", (word(32),), (), ((1, "RED"), (7, "BLUE")), "color", "name"
            ),
        ),
        (
            "old",
            Rendering(
                "name",
                "int32",
                (word(32, signed=True),),
                (),
                ((0, "NONE"), (-1, "MINUS")),
                "old",
                "name",
            ),
        ),
        (
            "wide",
            Rendering("name", "uint64", (word(),), (), ((1 << 40, "HUGE"),), "wide", "name"),
        ),
        ("char *", Rendering("text", texts=(text(STRING, 0),))),
        ("filename *", Rendering("text", texts=(text(STRING, 8, 0),))),
        ("qstr *", Rendering("text", texts=(text(STRING, 8, 0),))),
        ("dentry *", Rendering("text", texts=(text(STRING, 40, 0),))),
        ("file *", Rendering("text", texts=(text(PATH, 64),))),
        ("path *", Rendering("text", texts=(text(PATH, 0),))),
        ("inode *", Rendering("inode", values=(load(64), load(40, 16, size=4)))),
        ("super_block *", Rendering("device", values=(load(16, size=4),))),
        (
            "task_struct *",
            Rendering(
                "task",
                values=(load(12, size=4, signed=True),),
                texts=(text(STRING, 32, limit=16),),
            ),
        ),
        ("sock *", Rendering("sock", values=SOCK)),
        ("socket *", Rendering("sock", values=behind(24, SOCK))),
        ("sk_buff *", Rendering("sock", values=behind(24, SOCK))),
        ("sockaddr *", Rendering("sockaddr", texts=(text(BYTES, 0, limit=28),))),
        ("device *", Rendering("text", texts=(text(STRING, 8, 0),))),
        ("net_device *", Rendering("text", texts=(text(STRING, 4, limit=16),))),
        ("cgroup *", Rendering("text", texts=(text(STRING, 40, 16, 0),))),
        ("void *", HEX),
        ("int *", HEX),
        ("bag *", HEX),
        ("tcp_sock *", HEX),
    ],
)
def test_arguments(paths: Paths, kind: str, expected: Rendering) -> None:
    assert by_type(paths, argument(kind), ENTRY) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("label", Rendering("text", texts=(text(STRING, 0, limit=8),))),
        (
            "three",
            Rendering("list", values=tuple(load(8 + 4 * n, size=4, signed=True) for n in range(3))),
        ),
        ("address", Rendering("bytes", texts=(text(BYTES, 24, limit=16),))),
        ("many", Rendering("hex", "uint64", (load(40, size=0),), render="hex")),
        ("counter", Rendering("hex", "uint64", (load(80),), render="hex")),
    ],
)
def test_arrays(paths: Paths, field: str, expected: Rendering) -> None:
    assert by_type(paths, paths.member(argument("bag *"), field), ENTRY) == expected


def test_structs_by_value(paths: Paths) -> None:
    assert has_fields(paths, argument("timespec64"))
    assert has_fields(paths, argument("pair"))
    assert not has_fields(paths, argument("large"))  # of more than 16 bytes
    assert not has_fields(paths, argument("qstr"))  # shown by its name
    assert by_type(paths, argument("qstr"), ENTRY) == Rendering(
        "text", texts=(Text(STRING, Read(ENTRY, 1, size=0), 4096),)
    )
    assert has_fields(paths, argument("path"))  # in registers there is nothing to walk from
    assert not has_fields(paths, paths.member(argument("file *"), "f_path"))


@pytest.mark.parametrize(
    ("renderer", "kind", "size", "expected"),
    [
        ("path", "file *", None, Rendering("text", texts=(text(PATH, 64),))),
        ("path", "path *", None, Rendering("text", texts=(text(PATH, 0),))),
        ("path", "dentry *", None, Rendering("text", texts=(text(DENTRY, 0),))),
        ("str", "char *", 16, Rendering("text", texts=(text(STRING, 0, limit=16),))),
        ("str", "void *", None, Rendering("text", texts=(text(STRING, 0),))),
        ("bytes", "void *", 7, Rendering("bytes", texts=(text(BYTES, 0, limit=7),))),
        ("bytes", "pair *", None, Rendering("bytes", texts=(text(BYTES, 0, limit=8),))),
        ("hex", "int", None, Rendering("hex", "uint64", (word(32),), render="hex")),
        ("hex", "file *", None, HEX),
        ("hex", "pair", None, HEX),
        ("sock", "tcp_sock *", None, Rendering("sock", values=SOCK)),
        ("sock", "socket *", None, Rendering("sock", values=behind(24, SOCK))),
        ("sock", "sockaddr *", None, Rendering("sockaddr", texts=(text(BYTES, 0, limit=28),))),
        ("since", "unsigned long", None, Rendering("since", "int64", (word(),), unit="ns")),
    ],
)
def test_renderers(
    paths: Paths, renderer: str, kind: str, size: int | None, expected: Rendering
) -> None:
    assert by_renderer(paths, renderer, size, argument(kind), ENTRY) == expected


@pytest.mark.parametrize(
    ("renderer", "kind", "size", "message"),
    [
        (
            "path",
            "inode *",
            None,
            "path() takes a struct file, path or dentry, not `struct inode *`",
        ),
        ("path", "int", None, "path() takes a struct file, path or dentry, not `int`"),
        (
            "path",
            "mount *",
            None,
            "path() takes a struct file, path or dentry, not `struct mount *`; use one of its "
            "fields: mnt_mountpoint",
        ),
        ("str", "int", None, "str() takes a pointer to characters or an array, not `int`"),
        ("str", "file *", None, "str() takes characters, not `struct file *`"),
        ("str", "char *", 4097, "str() shows 1 to 4096 bytes"),
        ("str", "char *", 0, "str() shows 1 to 4096 bytes"),
        ("bytes", "void *", None, "bytes() needs a number of bytes here: bytes(x, 16)"),
        ("bytes", "int", 4, "bytes() takes a pointer, array or struct, not `int`"),
        ("bytes", "large", 4, "x is passed in registers: it has no address"),
        ("since", "int", None, "since() takes a time in nanoseconds of 64 bits"),
        ("sock", "file *", None, "x is not a socket but `struct file`"),
        ("sock", "int", None, "sock() takes a struct sock, socket, sk_buff or sockaddr"),
    ],
)
def test_renderers_that_do_not_suit(
    paths: Paths, renderer: str, kind: str, size: int | None, message: str
) -> None:
    with pytest.raises(PathError) as raised:
        by_renderer(paths, renderer, size, argument(kind), ENTRY)
    assert raised.value.message.startswith(message)


def test_what_cannot_be_shown(paths: Paths) -> None:
    with pytest.raises(PathError, match="a value of type `double` cannot be shown"):
        by_type(paths, argument("float"), ENTRY)


def test_every_decoder_is_in_the_table() -> None:
    assert types.__doc__ is not None
    rows = [line.split("|")[1].strip() for line in types.__doc__.splitlines() if "|" in line]
    assert rows[2:] == [
        *("head", "number", "hex", "bool", "name", "text", "bytes", "error", "device", "inode"),
        *("task", "sock", "sockaddr", "list", "since"),
    ]
