# SPDX-License-Identifier: Apache-2.0
"""The index of all kernel functions, system calls and tracepoints, as the service reads it.

`app.kernel.functions_cache` makes it, in a process of its own: a folder with five files. What a
search goes through is read into memory, the rest is mapped:

- `names`: one name a line, functions first, then system calls, then tracepoints
  (`category:name`), each kind in the order of its bytes.
- `records`: for each name a `RECORD`.
- `prototypes`: lines of fields that end with `SEPARATOR`: the return type, then for each
  parameter its name and its declaration with `PLACE` instead of the name.
- `terms`: lines `kind TAB text TAB pointers TAB start TAB count`: which numbers of `postings`
  are the entries that take (T) or return (R) a type, or belong to a module (M).
- `postings`: numbers of entries.
- `about.json`: the modules, where each kind begins, and what could not be looked at.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntFlag
from itertools import accumulate
from pathlib import Path

from app.linux import paths

FUNCTION, SYSCALL, TRACEPOINT = KINDS = ("function", "syscall", "tracepoint")

# Offset in `prototypes`, number in BTF, module, facts, problem of the signature.
RECORD = struct.Struct("<IIHHB3x")
SEPARATOR, PLACE = "\t", "@"
TAKES, RETURNS, OF_MODULE = "T", "R", "M"
THE_KERNEL = "vmlinux"  # what belongs to no module
MAX_TWINS = 8
MOST_SEARCHED = 5_000  # for more hits in the lines, looking at each name is faster
# C's integers as programmers write them, and as BTF does (pahole).
INTEGERS = {
    "short": "short int",
    "unsigned short": "short unsigned int",
    "unsigned": "unsigned int",
    "long": "long int",
    "unsigned long": "long unsigned int",
    "long long": "long long int",
    "unsigned long long": "long long unsigned int",
}


class Facts(IntFlag):
    """What was found about a function; what could not be looked at is in `Sources`."""

    SYMBOL = 1  # the kernel has a symbol of this name
    AMBIGUOUS = 2  # several, in the kernel and its modules, or a variable too
    AMBIGUOUS_HERE = 4  # several in the entry's own module, or in the kernel
    FTRACE = 8  # ftrace can be asked to trace it
    BLACKLISTED = 16  # no kprobe can be set on it
    INIT = 32  # its code was freed after the kernel's start
    TWO_IN_BTF = 64  # several functions of this name in BTF


# Of a signature, why no trampoline can be made for it, by the number in a record.
SIGNATURE_PROBLEMS = (
    None,
    "too_many_arguments",
    "large_argument",
    "struct_argument",
    "varargs",
    "struct_returned",
    "unsupported_type",
)


@dataclass(frozen=True)
class Sources:
    """Why something could not be looked at; None for what was read."""

    btf: str | None = None
    symbols: str | None = None
    ftrace: str | None = None
    blacklist: str | None = None
    tracepoints: str | None = None
    max_slots: int = 12  # words of arguments that a trampoline takes on this kernel
    version_code: int = 0xFFFFFF  # LINUX_VERSION_CODE


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function, an argument of a system call or a field of a tracepoint."""

    name: str
    type: str
    declaration: str


@dataclass(frozen=True)
class Entry:
    """A kernel function, a system call or a tracepoint.

    `module` is None for the kernel itself. `function_id` is the number in the BTF of the kernel or
    of the module (split BTF), 0 if there is none. `category` is a tracepoint's. `returns` and
    `parameters` are None if they are not known. `twins` are the symbols that the compiler made of
    the function, `syscall` the system call of which it is the entry.
    """

    name: str
    kind: str
    module: str | None = None
    function_id: int = 0
    category: str | None = None
    returns: str | None = None
    parameters: tuple[Parameter, ...] | None = None
    facts: Facts = Facts(0)
    signature_problem: str | None = None
    twins: tuple[str, ...] = ()
    syscall: str | None = None  # of a function: the system call that enters the kernel by it
    function: str | None = None  # of a system call: that function
    sources: Sources = Sources()

    @property
    def full_name(self) -> str:
        """The name by which it is found: `category:name` for a tracepoint."""
        return f"{self.category}:{self.name}" if self.category else self.name

    @property
    def twin_of(self) -> str | None:
        """The function that the compiler made this one of: `f` for `f.isra.0`."""
        base, dot, _ = self.name.partition(".")
        return base if self.kind == FUNCTION and dot else None

    @property
    def signature(self) -> str | None:
        """The declaration in C."""
        if self.parameters is None:
            return None
        inside = ", ".join(each.declaration for each in self.parameters)
        if self.kind == TRACEPOINT:
            return f"{self.full_name}({inside})"
        head = self.returns or "void"
        space = "" if head.endswith("*") else " "
        return f"{head}{space}{self.name}({inside or 'void'})"


class FunctionIndex:
    """The index in a folder. Everything may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        """Open it; raises OSError, and ValueError or KeyError for a folder of something else."""
        about = json.loads(paths.read_bytes(folder / "about.json"))
        self.modules: tuple[str, ...] = tuple(about["modules"])
        self.sources = Sources(**about["sources"])
        self._begins: dict[str, int] = {kind: int(about["begins"][kind]) for kind in KINDS}
        self._lines = paths.read_bytes(folder / "names")
        self.names: list[bytes] = self._lines.split(b"\n")[:-1]
        sizes = (len(name) + 1 for name in self.names)
        self._starts = array("I", accumulate(sizes, initial=0))  # of each name in the lines
        self._records = _mapped(folder / "records")
        self._prototypes = _mapped(folder / "prototypes")
        self._terms = _mapped(folder / "terms")
        self._postings = memoryview(_mapped(folder / "postings")).cast("I")

    def __len__(self) -> int:
        return len(self.names)

    def range_of(self, kind: str | None) -> range:
        """Return the numbers of the entries of a kind; of all for None."""
        if kind is None:
            return range(len(self.names))
        later = [self._begins[k] for k in KINDS[KINDS.index(kind) + 1 :]]
        return range(self._begins[kind], later[0] if later else len(self.names))

    def containing(self, part: bytes) -> list[int]:
        """Return the numbers of the names with this part, which has no line feed, in order."""
        lines, starts = self._lines, self._starts
        if not part or lines.count(part) > MOST_SEARCHED:
            return [number for number, name in enumerate(self.names) if part in name]
        found = []
        at = lines.find(part)
        while at != -1:
            number = bisect_right(starts, at) - 1
            found.append(number)
            at = lines.find(part, starts[number + 1])
        return found

    def lookup(self, kind: str, name: str, module: str | None = None) -> Entry | None:
        """Return the entry of exactly this name; of several, the kernel's, else the first module's.

        A tracepoint is found by `category:name` and, if only one category has it, by its name.
        """
        numbers = self._find(kind, name)
        if kind == TRACEPOINT and not numbers and ":" not in name:
            end = b":" + name.encode(errors="replace")
            numbers = [n for n in self.range_of(kind) if self.names[n].endswith(end)]
            numbers = numbers if len(numbers) == 1 else []
        for number in numbers:
            entry = self.entry(number)
            if module is None or (entry.module or THE_KERNEL) == module:
                return entry
        return None

    def entry(self, number: int) -> Entry:
        """Return the entry with this number."""
        at, function_id, module, facts, problem = RECORD.unpack_from(
            self._records, number * RECORD.size
        )
        kind = next(k for k in reversed(KINDS) if number >= self._begins[k])
        name, category = self.names[number].decode(errors="replace"), None
        if kind == TRACEPOINT:
            category, _, name = name.partition(":")
        returns, parameters = self._prototype(at)
        syscall = _syscall_of(name) if kind == FUNCTION else None
        entry_function = f"{_ENTRY_PREFIX}{name}" if kind == SYSCALL else ""
        return Entry(
            name,
            kind,
            self.modules[module - 1] if module else None,
            function_id,
            category,
            returns,
            parameters,
            Facts(facts),
            SIGNATURE_PROBLEMS[problem],
            self._twins(number) if kind == FUNCTION else (),
            syscall if syscall and self._find(SYSCALL, syscall) else None,
            entry_function if entry_function and self._find(FUNCTION, entry_function) else None,
            self.sources,
        )

    def posted(self, kind: str, text: str, pointers: int | None = None) -> set[int] | None:
        """Return the entries of a term (TAKES, RETURNS, OF_MODULE); None if there is no such term.

        `pointers` is how many a type has before its name; None for any number.
        """
        found: set[int] | None = None
        start = f"\n{kind}\t{text}\t".encode()
        at = self._terms.find(start)
        while at != -1:
            end = self._terms.find(b"\n", at + 1)
            stars, first, count = (
                int(part) for part in self._terms[at + len(start) : end].split(b"\t")
            )
            if pointers is None or pointers == stars:
                found = (found or set()) | set(self._postings[first : first + count])
            at = self._terms.find(start, end)
        return found

    def terms(self, kind: str) -> list[str]:
        """Return all texts of a kind of terms, for near misses."""
        start = f"{kind}\t".encode()
        lines = self._terms[:].split(b"\n")
        return sorted({line.split(b"\t")[1].decode() for line in lines if line.startswith(start)})

    def _find(self, kind: str, name: str) -> list[int]:
        wanted, numbers = name.encode(errors="replace"), self.range_of(kind)
        at = bisect_left(self.names, wanted, numbers.start, numbers.stop)
        found = []
        while at < numbers.stop and self.names[at] == wanted:
            found.append(at)
            at += 1
        return found

    def _twins(self, number: int) -> tuple[str, ...]:
        """Return the names that begin with this one and a dot, which follow it closely."""
        start = self.names[number] + b"."
        at = bisect_left(self.names, start, number, self.range_of(FUNCTION).stop)
        found: list[str] = []
        while at < len(self.names) and self.names[at].startswith(start) and len(found) < MAX_TWINS:
            found.append(self.names[at].decode(errors="replace"))
            at += 1
        return tuple(found)

    def _prototype(self, at: int) -> tuple[str | None, tuple[Parameter, ...] | None]:
        if at == 0:
            return None, None
        line = self._prototypes[at : self._prototypes.find(b"\n", at)]
        returns, *rest = line.decode(errors="replace").split(SEPARATOR)[:-1]
        return returns, tuple(
            Parameter(name, _without_place(text), text.replace(PLACE, name).rstrip())
            for name, text in zip(rest[::2], rest[1::2], strict=True)
        )


_ENTRY_PREFIX = {"x86_64": "__x64_sys_", "aarch64": "__arm64_sys_"}.get(os.uname().machine, "")
_SYSCALL_PREFIXES = tuple(filter(None, (_ENTRY_PREFIX, "__do_sys_", "__se_sys_")))


def _syscall_of(function: str) -> str | None:
    """Return the system call of which a function is the entry, by its name.

    SYSCALL_DEFINEx makes all three (include/linux/syscalls.h, asm/syscall_wrapper.h).
    """
    for prefix in _SYSCALL_PREFIXES:
        if function.startswith(prefix):
            return function[len(prefix) :]
    return None


def _without_place(declaration: str) -> str:
    """Return the type in a declaration whose name is PLACE."""
    return declaration.replace(f" {PLACE})", ")").replace(PLACE, "").rstrip()


def _mapped(path: Path) -> mmap.mmap:
    descriptor = paths.open_file(path, os.O_RDONLY)
    try:
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


def encode_terms(
    postings: Mapping[tuple[str, str, int], Iterable[int]],
) -> tuple[bytes, bytes]:
    """Return the files `terms` and `postings` for (kind, text, pointers) -> numbers."""
    lines, numbers = [""], bytearray()
    for (kind, text, pointers), entries in sorted(postings.items()):
        packed = array("I", entries).tobytes()
        lines.append(f"{kind}\t{text}\t{pointers}\t{len(numbers) // 4}\t{len(packed) // 4}")
        numbers += packed
    return "\n".join([*lines, ""]).encode(), bytes(numbers) or b"\0" * 4
