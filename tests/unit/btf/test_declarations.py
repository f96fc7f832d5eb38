# SPDX-License-Identifier: Apache-2.0
"""C declarations made from BTF: their text, and that a compiler lays them out as BTF says."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.btf import c_text
from app.btf.declarations import c_declarations
from app.btf.format import BtfError, Kind
from app.btf.reader import Btf, Member
from app.kernel.include_tree import SCALARS
from tests.support.btf_builder import BtfBuilder

RUNNING = Path("/sys/kernel/btf/vmlinux")
running = pytest.mark.skipif(not RUNNING.exists(), reason="this kernel offers no BTF")
COMPILER = shutil.which("gcc") or shutil.which("clang") or ""
compiles = pytest.mark.skipif(not COMPILER, reason="neither gcc nor clang is installed")

# Structs with bit-fields, packing, cache-line padding, unions, flexible arrays, functions.
KERNEL_STRUCTS = (
    "pt_regs",
    "filename",
    "task_struct",
    "mm_struct",
    "sk_buff",
    "net_device",
    "tcp_sock",
    "inode",
    "page",
    "perf_event",
    "bpf_prog",
    "bpf_insn",
    "tcphdr",
    "ethhdr",
    "trace_entry",
)


def test_text_of_types() -> None:
    b = BtfBuilder()
    i = b.integer("int", 4, signed=True)
    odd = b.integer("u24 of somebody", 4)
    const = b.add(Kind.CONST, size_or_type=i)
    user = b.add(Kind.TYPE_TAG, "user", size_or_type=const)
    restrict = b.add(Kind.RESTRICT, size_or_type=b.pointer(user))
    twice = b.add(Kind.CONST, size_or_type=b.array(const, 3))
    void_pointer = b.pointer(0)
    variadic = b.add(
        Kind.FUNC_PROTO, size_or_type=void_pointer, count=2, words=[b.string("x"), i, 0, 0]
    )
    empty = b.add(Kind.FUNC_PROTO)
    union = b.add(Kind.FWD, "u", flag=True)
    btf = Btf(b.build())
    for type_id, name, text in (
        (i, "x", "int x"),
        (odd, "", "unsigned int"),
        (0, "", "void"),
        (b.pointer(b.array(i, 4)), "p", "int (*p)[4]"),
        (b.array(b.pointer(i), 4), "a", "int *a[4]"),
        (b.array(b.array(i, 4), 2), "m", "int m[2][4]"),
        (restrict, "r", "const int *__restrict r"),
        (restrict, "", "const int *__restrict"),
        (twice, "t", "const int t[3]"),
        (b.pointer(variadic), "f", "void *(*f)(int, ...)"),
        (b.array(b.pointer(empty), 2), "g", "void (*g[2])(void)"),
        (b.pointer(union), "", "union u *"),
        (b.add(Kind.STRUCT), "", "struct {...}"),
        (b.enum("e", []), "", "enum e"),
    ):
        btf = Btf(b.build())
        assert c_text.declare(btf, type_id, name) == text


def test_pointers_leave_structs_outside() -> None:
    b = BtfBuilder()
    i = b.integer("int", 4, signed=True)
    far = b.record("far", 4, [("x", i, 0)])
    near = b.record("near", 4, [("y", i, 0)])
    b.record("asked", 16, [("f", b.pointer(far), 0), ("n", near, 64)])
    text = c_declarations(Btf(b.build()), ["asked"])
    assert text == (
        "struct far;\n\n"
        "struct near {\n\tint y;\n};\n\n"
        "struct asked {\n\tstruct far *f;\n\tstruct near n;\n};\n"
    )


def test_enums_become_integers_unless_asked_for() -> None:
    b = BtfBuilder()
    color = b.enum("color", [("RED", -1)], signed=True)
    huge = b.enum("huge", [("H", 1 << 40)], size=8)
    b.record("s", 16, [("c", color, 0), ("h", huge, 64)])
    btf = Btf(b.build())
    assert "RED" not in c_declarations(btf, ["s"])
    assert "signed int c;" in c_declarations(btf, ["s"])
    assert "unsigned long long h;" in c_declarations(btf, ["s"])
    asked = c_declarations(btf, ["s", "color", "huge"])
    assert "enum color {\n\tRED = -1,\n};" in asked
    assert "enum color c;" in asked
    assert "H = 1099511627776LL" in asked


def test_declared_typedefs_are_left_to_others() -> None:
    b = BtfBuilder()
    u32 = b.typedef("u32", b.integer("unsigned int", 4))
    b.record("s", 4, [("x", u32, 0)])
    btf = Btf(b.build())
    assert "typedef" in c_declarations(btf, ["s"])
    assert c_declarations(btf, ["s"], declared=SCALARS) == "struct s {\n\tu32 x;\n};\n"


def test_names_that_c_cannot_take() -> None:
    b = BtfBuilder()
    i = b.integer("int", 4)
    rust = b.record("Option<&str>", 4, [("0", i, 0)])
    b.record("s", 12, [("new::r", rust, 0), ("linux", i, 32), ("default", i, 64)])
    text = c_declarations(Btf(b.build()), ["s"])
    assert "struct Option__str_ {\n\tint _0;\n};" in text
    for name in ("new__r;", "linux_;", "default_;"):
        assert name in text


def test_two_structs_of_one_name_are_told_apart() -> None:
    b = BtfBuilder()
    i = b.integer("unsigned int", 4)
    first = b.record("same", 4, [("x", i, 0)])
    second = b.record("same", 8, [("x", b.array(i, 2), 0)])
    b.record("s", 12, [("a", first, 0), ("b", second, 32)])
    text = c_declarations(Btf(b.build()), ["s"])
    assert "struct same a;" in text
    assert "struct same___2 b;" in text


def test_refuses_what_c_cannot_express() -> None:
    b = BtfBuilder()
    i = b.integer("int", 4)
    b.record("overlap", 8, [("a", i, 0), ("b", i, 16)])
    b.record("small", 2, [("a", i, 0)])
    b.record("itself", 4, [("a", i + 3, 0)])
    b.record("later", 8, [("a", i, 32)], kind=Kind.UNION)
    btf = Btf(b.build())
    for name, message in (
        ("overlap", "overlaps"),
        ("small", "4 bytes instead of 2"),
        ("itself", "contains itself"),
        ("later", "union's start"),
        ("nothing", "has no struct"),
    ):
        with pytest.raises(BtfError, match=message):
            c_declarations(btf, [name])


def awkward() -> BtfBuilder:
    """Layouts that the natural rules of C do not give."""
    b = BtfBuilder()
    char, short = b.integer("char", 1), b.integer("short int", 2)
    i, long = b.integer("unsigned int", 4), b.integer("long unsigned int", 8)
    b.record("gap", 128, [("a", char, 0), ("b", i, 512)])
    b.record("packed", 5, [("a", char, 0), ("b", i, 8)])
    b.record("packed_tail", 6, [("a", i, 0), ("b", char, 32), ("c", char, 40)])
    inner = b.record("inner", 3, [("a", char, 0), ("b", short, 8)])
    b.record("nested", 16, [("a", char, 0), ("i", b.array(inner, 2), 8), ("c", long, 64)])
    b.record("crossing", 8, [("a", i, 0, 30), ("b", i, 30, 4), ("c", i, 34, 30)])
    b.record("far_bits", 16, [("a", i, 0, 3), ("b", long, 13, 40), ("c", char, 120, 1)])
    b.record("after", 8, [("a", char, 0), ("b", i, 12, 5), ("c", short, 32)])
    b.record("wide_union", 64, [("a", i, 0), ("b", i, 0, 7)], kind=Kind.UNION)
    anonymous = b.record("", 6, [("x", i, 0), ("y", short, 32)])
    b.record("outer", 8, [("a", short, 0), ("", anonymous, 16)])
    tagged = b.record("tagged", 8, [("t", long, 0)])
    b.record("embeds", 16, [("", tagged, 0), ("u", long, 64)])
    b.record("empty", 0, [])
    b.record("flexible", 8, [("n", i, 0), ("data", b.array(long, 0), 64)])
    return b


def members(btf: Btf, type_id: int, base: int = 0) -> Iterator[Member]:
    """All members that C can name, with offsets from the outermost struct."""
    for member in btf.members(type_id):
        offset = base + member.bit_offset
        if member.name:
            yield Member(member.name, member.type_id, offset, member.bit_size)
        elif btf.kind(btf.resolve(member.type_id)) in (Kind.STRUCT, Kind.UNION):
            yield from members(btf, btf.resolve(member.type_id), offset)


def program(btf: Btf, names: list[str]) -> str:
    """A C program that does not compile, or returns 1, where a layout is not BTF's."""
    asserts, checks = [], []
    for name in names:
        struct_id, union_id = btf.find(Kind.STRUCT, name), btf.find(Kind.UNION, name)
        type_id = struct_id or union_id
        assert type_id
        c_name = f"{'struct' if struct_id else 'union'} {name}"
        asserts.append(f"_Static_assert(sizeof({c_name}) == {btf.size(type_id)}, {name!r});")
        for m in members(btf, type_id):
            if m.bit_size:
                checks.append(
                    f"{{ static {c_name} s; s.{m.name} = ~0ull;"
                    f" check(&s, sizeof(s), {m.bit_offset}, {m.bit_size}); }}"
                )
                continue
            where = f"__builtin_offsetof({c_name}, {m.name}) * 8 == {m.bit_offset}"
            size = f"sizeof((({c_name} *)0)->{m.name}) == {btf.size(m.type_id)}"
            asserts.append(f'_Static_assert({where} && {size}, "{name}.{m.name}");')
    check = """
static int bad;
static void check(void *start, unsigned long size, unsigned long first, unsigned long count)
{
    for (unsigned long i = 0; i < size * 8; i++)
        bad |= (((unsigned char *)start)[i / 8] >> i % 8 & 1) != (i >= first && i < first + count);
}
"""
    text = "\n".join([c_declarations(btf, names), *asserts]).replace("'", '"')
    return text + check + "int main(void) {\n" + "\n".join(checks) + "\nreturn bad; }\n"


@pytest.fixture(params=["awkward", pytest.param("running", marks=running)])
def layouts(request: pytest.FixtureRequest) -> tuple[Btf, list[str]]:
    if request.param == "running":
        btf = Btf.load(RUNNING)
        return btf, [name for name in KERNEL_STRUCTS if btf.find(Kind.STRUCT, name)]
    btf = Btf(awkward().build())
    records = (Kind.STRUCT, Kind.UNION)
    return btf, [btf.name(t) for t in btf if btf.kind(t) in records and btf.name(t)]


@compiles
def test_compiler_lays_out_as_btf_says(layouts: tuple[Btf, list[str]], tmp_path: Path) -> None:
    btf, names = layouts
    assert len(names) > 10
    source = tmp_path / "layout.c"
    source.write_text(program(btf, names))
    binary = tmp_path / "layout"
    compiled = subprocess.run(
        [COMPILER, "-Wall", "-Wno-overflow", "-o", binary, source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (compiled.returncode, compiled.stderr) == (0, "")
    assert subprocess.run([binary], check=False).returncode == 0


@compiles
def test_the_check_itself_finds_a_wrong_layout(tmp_path: Path) -> None:
    btf = Btf(awkward().build())
    good = program(btf, ["packed", "after"])
    source = tmp_path / "layout.c"
    for bad in (
        good.replace("__attribute__((packed))", ""),
        good.replace("unsigned char : 4", "unsigned char : 3"),
    ):
        assert bad != good
        source.write_text(bad)
        command = [COMPILER, "-w", "-o", tmp_path / "layout", source]
        compiled = subprocess.run(command, capture_output=True, check=False).returncode == 0
        assert not compiled or subprocess.run([tmp_path / "layout"], check=False).returncode == 1
