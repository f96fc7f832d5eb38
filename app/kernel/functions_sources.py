# SPDX-License-Identifier: Apache-2.0
"""What the running kernel says of its functions: symbols, ftrace, the kprobe blacklist, modules."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.kernel.symbols import KALLSYMS
from app.linux import tracefs
from app.linux.syscalls import detached_mount

MODULES = Path("/proc/modules")
MODULE_BTF = Path("/sys/kernel/btf")
BLACKLIST = "kprobes/blacklist"  # in debugfs
DEBUGFS = Path("/sys/kernel/debug")
_TEXT = frozenset((b"t", b"T", b"w", b"W"))
# What the compiler, objtool and the kernel's own macros put beside functions: padding before them
# (__pfx_, __cfi_), cold parts, static calls.
_BESIDE = (b"__pfx_", b"__cfi_", b"__SCT__", b"__SCK__", b".")
_COLD = b".cold"
_PSEUDO_MODULE = re.compile(rb"\[(?:bpf|__builtin__\w+)\]")
# The symbols around code that is freed after the start, and those around what no kprobe may be in.
_CODE = (b"_stext", b"_etext")
_INIT = (b"_sinittext", b"_einittext")
_NO_KPROBES = (
    (b"__kprobes_text_start", b"__kprobes_text_end"),
    (b"__noinstr_text_start", b"__noinstr_text_end"),
    (b"__entry_text_start", b"__entry_text_end"),
)


@dataclass
class Symbols:
    """The kernel's functions by (module, name); the module is empty for the kernel itself."""

    counts: dict[tuple[str, bytes], int] = field(default_factory=dict)  # how many have the name
    everywhere: dict[bytes, int] = field(default_factory=dict)  # the same, modules included
    addresses: dict[bytes, bytes] = field(default_factory=dict)  # the kernel's own, in hexadecimal
    variables: set[bytes] = field(default_factory=set)  # names that variables have
    # Names of the kernel's own that are not between _stext and _etext. Linux 7 calls variables `t`.
    not_code: set[bytes] = field(default_factory=set)
    init: set[bytes] = field(default_factory=set)  # freed after the kernel's start
    no_kprobes: set[bytes] = field(default_factory=set)  # in sections without kprobes


def parse_symbols(kallsyms: bytes) -> Symbols:
    """Return the functions in /proc/kallsyms: lines of address, type, name and `[module]`."""
    marks = _marks(kallsyms)
    code, init = _span(marks, _CODE), _span(marks, _INIT)
    without = [span for each in _NO_KPROBES if (span := _span(marks, each))]
    # Around all of those: one comparison for most of 60,000 functions.
    lowest, highest = (
        min((start for start, _ in without), default=b""),
        max((end for _, end in without), default=b""),
    )
    found = Symbols()
    counts, everywhere, addresses = found.counts, found.everywhere, found.addresses
    for line in kallsyms.split(b"\n"):
        address, _, rest = line.partition(b" ")
        if rest[:1] not in _TEXT:
            found.variables.add(rest[2:].partition(b"\t")[0])
            continue
        if rest.startswith(_BESIDE, 2) or _COLD in rest:
            continue
        if b"\t" in rest:
            name, _, module = rest[2:].partition(b"\t")
            if _PSEUDO_MODULE.match(module):
                continue
            key = (module[1:-1].decode(errors="replace"), name)
        else:
            name = rest[2:]
            key = ("", name)
            addresses[name] = address
            # Of a fixed width in hexadecimal: in the order of texts.
            if init and init[0] <= address < init[1]:
                found.init.add(name)
            elif code and not code[0] <= address < code[1]:
                found.not_code.add(name)
            if lowest <= address < highest:
                for start, end in without:
                    if start <= address < end:
                        found.no_kprobes.add(name)
        counts[key] = counts.get(key, 0) + 1
        everywhere[name] = everywhere.get(name, 0) + 1
    return found


def _marks(kallsyms: bytes) -> dict[bytes, bytes]:
    """Return the addresses of the symbols around sections, in hexadecimal."""
    found = {}
    for name in (name for pair in (_CODE, _INIT, *_NO_KPROBES) for name in pair):
        at = kallsyms.find(b" " + name + b"\n")
        if at != -1:
            found[name] = kallsyms[kallsyms.rfind(b"\n", 0, at) + 1 : at].split(b" ")[0]
    return found


def _span(marks: dict[bytes, bytes], names: tuple[bytes, bytes]) -> tuple[bytes, bytes] | None:
    """Return the addresses between two symbols; None without them, or if they are hidden (0)."""
    start, end = (marks.get(name, b"") for name in names)
    return (start, end) if start and start.strip(b"0") and start < end else None


def with_aliases(ftrace: set[tuple[str, bytes]], symbols: Symbols) -> set[tuple[str, bytes]]:
    """Return ftrace's functions and those at the same addresses: its list has one name for each."""
    addresses = symbols.addresses
    listed = {addresses[name] for module, name in ftrace if not module and name in addresses}
    listed.discard(b"0" * 16)  # hidden
    return ftrace | {("", name) for name, address in addresses.items() if address in listed}


def read_symbols() -> Symbols:
    """Read /proc/kallsyms; raises OSError."""
    return parse_symbols(KALLSYMS.read_bytes())


def parse_ftrace(available_filter_functions: bytes) -> set[tuple[str, bytes]]:
    """Return (module, name) of the functions that ftrace can be asked to trace.

    Lines of `name` or `name [module]`. Weak functions that another one replaced are lines such as
    `__ftrace_invalid_address___8` (kernel/trace/ftrace.c).
    """
    found = set()
    for line in available_filter_functions.split(b"\n"):
        name, _, module = line.partition(b" ")
        if name and not name.startswith(b"__ftrace_invalid_address__"):
            found.add((module[1:-1].decode(errors="replace"), name))
    return found


def parse_blacklist(text: bytes) -> set[bytes]:
    """Return the names in the kprobe blacklist: lines of `0xstart-0xend TAB name`."""
    return {line.partition(b"\t")[2].split(b" ")[0] for line in text.split(b"\n") if b"\t" in line}


def read_blacklist() -> set[bytes]:
    """Read the kprobe blacklist from debugfs, which is mounted for that; raises OSError."""
    with _debugfs() as folder:
        return parse_blacklist((folder / BLACKLIST).read_bytes())


@contextmanager
def _debugfs() -> Iterator[Path]:
    if (DEBUGFS / BLACKLIST).exists():
        yield DEBUGFS
        return
    descriptor = detached_mount("debugfs")
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def read_ftrace() -> set[tuple[str, bytes]]:
    """Read ftrace's list; raises OSError."""
    with tracefs.opened() as folder:
        return parse_ftrace((folder / "available_filter_functions").read_bytes())


def read_tracepoints() -> dict[str, str]:
    """Return the format of each tracepoint, by `category:name`; raises OSError.

    Of a system call's two, that of the entry has its arguments; the format of the other is not
    read.
    """
    found = {}
    with tracefs.opened() as folder:
        for line in (folder / "available_events").read_text().split():
            category, _, name = line.partition(":")
            if category == "syscalls" and name.startswith("sys_exit_"):
                found[line] = ""
                continue
            try:
                found[line] = (folder / "events" / category / name / "format").read_text()
            except FileNotFoundError:  # its module was unloaded after the list was read
                continue
    return found


def modules_state() -> tuple[str, ...]:
    """Return a text for each loaded module, and the names in /sys/kernel/btf.

    It changes when a module is loaded, unloaded or loaded again: name, size, state and address.
    """
    try:
        lines = MODULES.read_text().splitlines()
    except FileNotFoundError:  # a kernel without modules
        lines = []
    loaded = []
    for line in lines:
        fields = line.split()
        loaded.append(" ".join((*fields[:2], *fields[4:6])))
    try:
        described = sorted(each.name for each in MODULE_BTF.iterdir())
    except FileNotFoundError:  # a kernel without BTF
        described = []
    return (*sorted(loaded), *described)
