# SPDX-License-Identifier: Apache-2.0
"""Reading BTF: small blobs made by hand, broken ones, and the running kernel's."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.btf.format import BtfError, Kind
from app.btf.prototypes import Function, Parameter, find_function
from app.btf.reader import Btf, Enumerator, Member
from tests.support.btf_builder import BtfBuilder

RUNNING = Path("/sys/kernel/btf/vmlinux")
running = pytest.mark.skipif(not RUNNING.exists(), reason="this kernel offers no BTF")


def deletion(byteorder: str = "little") -> BtfBuilder:
    """`int do_unlinkat(int dfd, struct filename *name)` and what it needs."""
    b = BtfBuilder(byteorder)
    integer = b.integer("int", 4, signed=True)
    char = b.integer("char", 1, signed=True)
    text = b.pointer(b.add(Kind.CONST, size_or_type=char))
    head = b.record("", 16, [("name", text, 0), ("refcnt", integer, 64)])
    filename = b.record("filename", 16, [("", head, 0), ("iname", b.array(char, 0), 128)])
    b.function("do_unlinkat", integer, [("dfd", integer), ("name", b.pointer(filename))])
    return b


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_reads_both_byte_orders(byteorder: str) -> None:
    btf = Btf(deletion(byteorder).build())
    found = find_function(btf, "do_unlinkat")
    assert found == Function(
        "do_unlinkat",
        btf.find(Kind.FUNC, "do_unlinkat") or 0,
        "int",
        (Parameter("dfd", "int"), Parameter("name", "struct filename *")),
    )
    assert len(btf) == len(list(btf)) + 1 == found.type_id + 1


def test_find_wants_the_whole_name_and_the_kind() -> None:
    btf = Btf(deletion().build())
    assert btf.find(Kind.STRUCT, "filename") is not None
    for kind, name in (
        (Kind.UNION, "filename"),
        (Kind.STRUCT, "file"),
        (Kind.STRUCT, "ilename"),
        (Kind.STRUCT, ""),
        (Kind.STRUCT, "filename\0"),
        (Kind.STRUCT, "name"),  # a member's name, not a type's
    ):
        assert btf.find(kind, name) is None, (kind, name)
    assert find_function(btf, "filename") is None


def test_find_is_not_misled_by_equal_words() -> None:
    b = BtfBuilder()
    offset = b.string("wanted")
    # The size, a member's offset and a member's name all equal the name's offset.
    integer = b.integer("int", 4)
    b.record("other", offset, [("wanted", integer, offset)])
    wanted = b.record("wanted", 4, [("x", integer, 0)])
    assert Btf(b.build()).find(Kind.STRUCT, "wanted") == wanted


def test_member_offset_looks_into_anonymous_members() -> None:
    b = BtfBuilder()
    integer = b.integer("int", 4)
    inner = b.record("", 8, [("a", integer, 0), ("deep", integer, 32)])
    union = b.record("", 8, [("", inner, 0)], kind=Kind.UNION)
    named = b.record("named", 8, [("hidden", integer, 32)])
    b.record("outer", 32, [("x", integer, 0), ("", union, 64), ("n", named, 128)])
    b.record("bits", 4, [("flag", integer, 3, 1)])
    btf = Btf(b.build())
    assert btf.member_offset("outer", "x") == 0
    assert btf.member_offset("outer", "deep") == 12
    assert btf.member_offset("outer", "hidden") is None  # in a named member: not reachable so
    assert btf.member_offset("nothing", "x") is None
    with pytest.raises(BtfError, match="bit-field"):
        btf.member_offset("bits", "flag")


def test_bit_fields_of_both_encodings() -> None:
    b = BtfBuilder()
    integer = b.integer("unsigned int", 4)
    three_bits = b.add(Kind.INT, "unsigned int", size_or_type=4, words=[5 << 16 | 3])
    new = b.record("new", 4, [("a", integer, 5, 3), ("b", integer, 8, 0)])
    old = b.record("old", 4, [("a", three_bits, 0), ("b", integer, 0)])
    btf = Btf(b.build())
    assert btf.members(new) == [Member("a", integer, 5, 3), Member("b", integer, 8, 0)]
    assert btf.members(old) == [Member("a", three_bits, 5, 3), Member("b", integer, 0, 0)]


def test_enums_of_both_widths_and_signs() -> None:
    b = BtfBuilder()
    small = b.enum("small", [("MINUS", -1), ("ONE", 1)], signed=True)
    flags = b.enum("flags", [("TOP", 1 << 31)])
    wide = b.enum("wide", [("HUGE", (1 << 63) + 5)], size=8)
    low = b.enum("low", [("LOWEST", -(1 << 63))], size=8, signed=True)
    btf = Btf(b.build())
    assert btf.enumerators(small) == [Enumerator("MINUS", -1), Enumerator("ONE", 1)]
    assert btf.enumerators(flags) == [Enumerator("TOP", 1 << 31)]
    assert btf.enumerators(wide) == [Enumerator("HUGE", (1 << 63) + 5)]
    assert btf.enumerators(low) == [Enumerator("LOWEST", -(1 << 63))]
    assert btf.find(Kind.ENUM64, "wide") == wide


def test_every_kind_is_walked_over() -> None:
    b = BtfBuilder()
    i = b.integer("int", 4)
    for kind, words in (
        (Kind.FWD, []),
        (Kind.VOLATILE, []),
        (Kind.RESTRICT, []),
        (Kind.VAR, [0]),
        (Kind.FLOAT, []),
        (Kind.DECL_TAG, [0]),
        (Kind.TYPE_TAG, []),
    ):
        b.add(kind, "t", size_or_type=i, words=words)
    b.add(Kind.DATASEC, ".data", size_or_type=8, count=2, words=[1, 0, 4, 1, 4, 4])
    b.enum("e", [("A", 1), ("B", 2)], size=8)
    last = b.record("last", 4, [("x", i, 0)])
    assert Btf(b.build()).find(Kind.STRUCT, "last") == last


def header(**changes: int) -> bytes:
    """The header of `deletion()`, with some fields changed, and its data."""
    data = bytearray(deletion().build())
    fields = {"version": (2, "B"), "size": (4, "I"), "type_at": (8, "I"), "type_size": (12, "I")}
    fields |= {"string_at": (16, "I"), "string_size": (20, "I")}
    for name, value in changes.items():
        at, code = fields[name]
        struct.pack_into("<" + code, data, at, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "magic"),
        (b"\x9f", "magic"),
        (b"\x7fELF" + bytes(60), "magic"),
        (deletion().build()[:20], "truncated"),
        (deletion().build()[:-1], "truncated"),
        (header(version=2), "version 2"),
        (header(size=8), "truncated"),
        (header(size=0xFFFFFFFF), "truncated"),
        (header(type_size=0xFFFFFFFC), "truncated"),
        (header(type_size=10), "not a multiple of 4"),
        (header(string_size=0), "NUL"),
        (header(string_size=7), "NUL"),
        (header(string_at=205, string_size=52), "NUL"),
    ],
)
def test_refuses_what_is_no_btf(data: bytes, message: str) -> None:
    with pytest.raises(BtfError, match=message):
        Btf(data)


def test_refuses_kinds_and_counts_it_does_not_know() -> None:
    for kind in (0, 20, 31, 127):
        b = deletion()
        b.add(kind & 0x7F, "new")
        with pytest.raises(BtfError, match=f"unknown kind {kind}"):
            Btf(b.build())
    for count in (1, 0xFFFF, 0xFFFFFF):
        b = deletion()
        b.add(Kind.STRUCT, "long", count=count)
        with pytest.raises(BtfError, match="extends past the end"):
            Btf(b.build())


def test_refuses_references_that_lead_nowhere_or_never_end() -> None:
    b = BtfBuilder()
    typedef = b.typedef("loop", 1)
    const = b.add(Kind.CONST, size_or_type=2)
    array = b.array(3, 1)
    lost = b.typedef("lost", 99)
    nest = b.record("nest", 4, [("", 5, 0)])
    nameless = b.add(Kind.STRUCT)
    data = bytearray(b.build())
    struct.pack_into("<I", data, len(data) - len("\0loop\0lost\0nest\0") - 12, 0x7FFFFFFF)
    btf = Btf(bytes(data))
    for ask, type_id, message in (
        (btf.resolve, typedef, "typedefs that refer to themselves"),
        (btf.strip, const, "modifiers that refer to themselves"),
        (btf.size, array, "arrays that contain themselves"),
    ):
        with pytest.raises(BtfError, match=message):
            ask(type_id)
    with pytest.raises(BtfError, match="type id 99"):
        btf.size(lost)
    with pytest.raises(BtfError, match="anonymous members that contain themselves"):
        btf.find_member(nest, "x")
    with pytest.raises(BtfError, match="past the end of the string section"):
        btf.name(nameless)
    with pytest.raises(BtfError, match="has no size"):
        btf.size(0)


@settings(deadline=None)  # an emulated machine takes its time
@given(st.data())
def test_damaged_btf_never_fails_otherwise(data: st.DataObject) -> None:
    """Whatever bytes are changed: answers, or BtfError."""
    blob = bytearray(deletion().build())
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    try:
        btf = Btf(bytes(blob))
        find_function(btf, "do_unlinkat")
        btf.member_offset("filename", "name")
        for type_id in btf:
            btf.size(type_id)
    except BtfError:
        pass  # what is asked for; any other exception fails the test


@running
def test_running_kernel() -> None:
    btf = Btf.load(RUNNING)
    assert btf.member_offset("filename", "name") == 0
    assert btf.member_offset("pt_regs", "no_such_register") is None
    found = find_function(btf, "vfs_unlink")
    assert found is not None
    assert found.returns == "int"
    assert "struct dentry *" in [parameter.type for parameter in found.parameters]
    names = {btf.name(type_id) for type_id in btf if btf.kind(type_id) == Kind.STRUCT}
    assert {"task_struct", "filename", "pt_regs"} <= names


def split() -> tuple[Btf, Btf]:
    """The kernel's BTF, and a module's that continues it."""
    kernel = deletion()
    module = BtfBuilder(base=kernel)
    inode = module.record("inode_of_module", 8, [("name", 1, 0), ("own", 2, 32)])
    module.function("do_unlinkat", inode, [("dfd", 1), ("own", module.pointer(inode))])
    base = Btf(kernel.build())
    return base, Btf(module.build(), base)


def test_split_btf_continues_its_base() -> None:
    base, module = split()
    assert list(module) == list(range(len(base), len(base) + 4))
    assert len(module) == len(base) + 4
    own = module.find(Kind.STRUCT, "inode_of_module")
    assert own == len(base)
    assert base.find(Kind.STRUCT, "inode_of_module") is None
    # Texts of the base and of its own; types of the base.
    members = module.members(own)
    assert [(member.name, module.name(member.type_id)) for member in members] == [
        ("name", "int"),
        ("own", "char"),
    ]
    assert module.find(Kind.STRUCT, "filename") == base.find(Kind.STRUCT, "filename")
    assert module.size(own) == 8


def test_split_btf_finds_its_own_first() -> None:
    base, module = split()
    own, other = module.find(Kind.FUNC, "do_unlinkat"), base.find(Kind.FUNC, "do_unlinkat")
    assert own is not None
    assert other is not None
    assert own >= len(base) > other
    assert [(type_id, name) for type_id, name, _ in module.functions()] == [(own, "do_unlinkat")]
    assert [(type_id, name) for type_id, name, _ in base.functions()] == [(other, "do_unlinkat")]
    found = find_function(module, "do_unlinkat")
    assert found is not None
    assert found.parameters[1] == Parameter("own", "struct inode_of_module *")


def test_split_btf_with_types_beyond_its_end() -> None:
    _, module = split()
    with pytest.raises(BtfError, match=f"1 to {len(module) - 1}"):
        module.kind(len(module))


def test_a_prototype_as_words() -> None:
    _, module = split()
    ((_, _, proto),) = module.functions()
    returned, *words = module.prototype_words(proto)
    assert returned == module.target(proto)
    texts = [module.text_at(offset) for offset in words[::2]]
    assert list(zip(texts, words[1::2], strict=True)) == module.parameters(proto)
    with pytest.raises(BtfError, match="is not a prototype"):
        module.prototype_words(returned)


def test_a_longer_header_is_skipped() -> None:
    """As of 2026, with `layout_off` and `layout_len`: a layout section between the others."""
    data = deletion().build()
    mark, version, flags, size, *offsets = struct.unpack_from("<HBBIIIII", data)
    layout = b"\x04\x00\x00\x00" * 20
    types_at, types_size, strings_at, strings_size = offsets
    header = struct.pack(
        "<HBBIIIIIII",
        mark,
        version,
        flags,
        size + 8,
        types_at,
        types_size,
        strings_at + len(layout),
        strings_size,
        types_size,
        len(layout),
    )
    body = data[size:]
    longer = Btf(header + body[:types_size] + layout + body[types_size:])
    assert find_function(longer, "do_unlinkat") == find_function(Btf(data), "do_unlinkat")


@running
def test_the_running_kernel_s_functions() -> None:
    btf = Btf.load(RUNNING)
    functions = {name: (type_id, proto) for type_id, name, proto in btf.functions()}
    assert len(functions) > 10_000
    type_id, proto = functions["vfs_read"]
    assert type_id == btf.find(Kind.FUNC, "vfs_read")
    assert proto == btf.target(type_id)
