# SPDX-License-Identifier: Apache-2.0
"""A small kernel by hand: BTF, symbols, lists and tracepoints, as an index of functions."""

from __future__ import annotations

from pathlib import Path

from app.btf.format import Kind
from app.btf.reader import Btf
from app.kernel.functions import FunctionIndex, Sources
from app.kernel.functions_build import Found, TrampolineRules, build
from app.kernel.functions_sources import parse_blacklist, parse_ftrace, parse_symbols
from tests.support.btf_builder import BtfBuilder

MODULE = "xfs"
KALLSYMS = b"""\
ffffffff81000000 T vfs_read
ffffffff81000100 T vfs_readv
ffffffff81000200 T vfs_write
ffffffff81000300 t many_arguments
ffffffff81000310 t seven_arguments
ffffffff81000320 t large_argument
ffffffff81000330 t struct_argument
ffffffff81000340 t union_argument
ffffffff81000350 t float_argument
ffffffff81000360 t varargs
ffffffff81000370 t struct_returned
ffffffff81000400 t cut_down.isra.0
ffffffff81000410 t both
ffffffff81000420 t both.part.0
ffffffff81000430 t both.cold
ffffffff81000440 t __pfx_both
ffffffff81000500 t twice
ffffffff81000510 t twice
ffffffff81000520 t two_prototypes
ffffffff81000530 t watchdog
ffffffff83000000 d watchdog
ffffffff81000600 T do_exit
ffffffff81000610 T migrate_disable
ffffffff81000620 T _raw_spin_lock
ffffffff81000630 t notrace_function
ffffffff81000640 t blacklisted_function
ffffffff81000650 T assembler
ffffffff81000000 T second_name
ffffffff81000700 T __x64_sys_openat
ffffffff81000710 T shared_name
ffffffff82000000 T _sinittext
ffffffff82000010 t setup_once
ffffffff82000100 T _einittext
ffffffffc0000000 t xfs_read\t[xfs]
ffffffffc0000010 t shared_name\t[xfs]
ffffffffc0000020 t bpf_prog_1234\t[bpf]
"""
NOT_IN_FTRACE = (b"second_name", b"notrace_function", b"assembler", b"setup_once")
BLACKLIST = b"0xffffffff81000640-0xffffffff81000650\tblacklisted_function\n"


def _format(fields: list[tuple[str, int, int]]) -> str:
    lines = "".join(
        f"\tfield:{declaration};\toffset:{offset};\tsize:{size};\tsigned:0;\n"
        for declaration, offset, size in [("unsigned short common_type", 0, 2), *fields]
    )
    return f'name: x\nID: 1\nformat:\n{lines}\nprint fmt: ""\n'


TRACEPOINTS = {
    "syscalls:sys_enter_openat": _format(
        [
            ("int __syscall_nr", 8, 4),
            ("int dfd", 16, 8),
            ("const char * filename", 24, 8),
            ("umode_t mode", 32, 8),
        ]
    ),
    "syscalls:sys_exit_openat": "",
    "syscalls:sys_enter_half": _format([("int __syscall_nr", 8, 4)]),
    "sched:sched_switch": _format(
        [("char prev_comm[16]", 8, 16), ("pid_t prev_pid", 24, 4), ("unsigned long state", 32, 8)]
    ),
    "sock:same_name": _format([("const struct sock * sk", 8, 8)]),
    "tcp:same_name": _format([("const struct sock * sk", 8, 8)]),
}


def kernel_btf() -> BtfBuilder:
    """The types and functions of the kernel."""
    b = BtfBuilder()
    integer = b.integer("int", 4, signed=True)
    word = b.integer("long unsigned int", 8)
    character = b.integer("char", 1)
    text = b.pointer(character)
    file = b.pointer(b.record("file", 8, [("f_flags", integer, 0)]))
    uid = b.record("kuid_t", 4, [("val", integer, 0)])
    cred = b.pointer(b.record("cred", 8, [("uid", uid, 32)]))
    comm = b.array(character, 16)
    b.record(
        "task_struct", 32, [("group_leader", text, 0), ("comm", comm, 64), ("cred", cred, 192)]
    )
    b.record("filename", 8, [("name", text, 0)])
    size = b.typedef("size_t", word)
    signed_size = b.typedef("ssize_t", b.integer("long int", 8, signed=True))
    small = b.record("pair", 16, [("a", word, 0), ("b", word, 64)])
    large = b.record("triple", 24, [("a", word, 0), ("b", word, 64), ("c", word, 128)])
    union = b.record("either", 8, [("a", word, 0), ("b", text, 0)], kind=Kind.UNION)
    number = b.add(Kind.FLOAT, "double", size_or_type=8)
    callback = b.pointer(b.add(Kind.FUNC_PROTO, size_or_type=0, count=1, words=[0, integer]))
    read = [("file", file), ("buf", text), ("count", size), ("pos", b.pointer(size))]
    b.function("vfs_read", signed_size, read)
    b.function("vfs_readv", signed_size, [("file", file), ("vec", file), ("actor", callback)])
    b.function("vfs_write", signed_size, read)
    b.function("many_arguments", integer, [(f"a{n}", word) for n in range(13)])
    b.function("seven_arguments", integer, [(f"a{n}", word) for n in range(7)])
    b.function("large_argument", integer, [("t", large)])
    b.function("struct_argument", integer, [("p", small)])
    b.function("union_argument", integer, [("u", union)])
    b.function("float_argument", integer, [("d", number)])
    b.function("varargs", integer, [("fmt", text), ("", 0)])
    b.function("struct_returned", small, [("fmt", text)])
    b.function("cut_down", integer, [("file", file)])
    b.function("both", integer, [("file", file)])
    b.function("twice", integer, [("file", file)])
    b.function("watchdog", integer, [("file", file)])
    b.function("two_prototypes", integer, [("file", file)])
    b.function("two_prototypes", integer, [("count", word)])
    b.function("do_exit", 0, [("code", word)])
    b.function("migrate_disable", 0, [])
    b.function("_raw_spin_lock", 0, [("lock", b.pointer(word))])
    b.function("notrace_function", 0, [])
    b.function("blacklisted_function", 0, [])
    b.function("inlined", integer, [("file", file)])
    b.function("setup_once", integer, [])
    b.function("__do_sys_openat", integer, [("dfd", integer)])
    b.function("__x64_sys_openat", integer, [("regs", b.pointer(word))])
    b.function("shared_name", integer, [])
    return b


def module_btf(base: BtfBuilder) -> BtfBuilder:
    """A module's, whose functions use types of the kernel and one of its own."""
    b = BtfBuilder(base=base)
    inode = b.pointer(b.record("xfs_inode", 8, [("i_flags", 1, 0)]))
    b.function("xfs_read", 1, [("inode", inode), ("count", 2)])
    b.function("shared_name", 1, [("inode", inode)])
    return b


def found(**replaced: object) -> Found:
    """Everything about that kernel; `replaced` are members that are otherwise."""
    kernel = kernel_btf()
    btf = Btf(kernel.build())
    names = [line.split(" ")[2] for line in KALLSYMS.decode().splitlines()]
    listed = "\n".join(name.replace("\t", " ") for name in names).encode()
    ftrace = parse_ftrace(listed) - {("", name) for name in NOT_IN_FTRACE}
    everything = {
        "btf": btf,
        "module_btf": {MODULE: Btf(module_btf(kernel).build(), btf)},
        "symbols": parse_symbols(KALLSYMS),
        "ftrace": ftrace,
        "blacklist": parse_blacklist(BLACKLIST),
        "tracepoints": TRACEPOINTS,
    }
    return Found(**{**everything, **replaced})  # type: ignore[arg-type]


def write_index(
    folder: Path,
    kernel: Found | None = None,
    sources: Sources | None = None,
    version: tuple[int, int] = (6, 12),
) -> FunctionIndex:
    """Make the index of a kernel in a folder, and open it."""
    version_code = version[0] << 16 | version[1] << 8
    rules = TrampolineRules.of(version_code)
    sources = sources or Sources(max_slots=rules.max_slots, version_code=version_code)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    for name, data in build(kernel or found(), sources, rules).items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o644)
    return FunctionIndex(folder)
