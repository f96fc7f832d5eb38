# SPDX-License-Identifier: Apache-2.0
"""Where expressions begin: arguments and return value of a target, in each mode's words.

Functions: the words of a trampoline are the arguments in order, 8 bytes each, a struct by value in
as many as it needs (arch_prepare_bpf_trampoline(), arch/x86/net/bpf_jit_comp.c of the kernel).
Those of a kprobe are the six integer registers, then the words of the stack, by the System V ABI
for x86-64, 3.2.3: a struct of up to 16 bytes is in registers if all of it fits, else on the stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from app.btf.format import BtfError, Kind
from app.btf.per_cpu import is_named_per_cpu
from app.btf.type_paths import Integer, PathError, Paths, Place, Type
from app.columns.plan import (
    CONTEXT,
    DATA_LOC,
    ENTRY,
    MAX_ARGUMENT_WORDS,
    MAX_TEXT_BYTES,
    RESULT,
    RETURN,
    TASK,
    Read,
    Text,
)
from app.columns.rendering import Rendering
from app.columns.types import MAX_FIELDS_BYTES
from app.kernel.tracepoint_format import Field

TRAMPOLINES = ("fentry", "fexit")
_REGISTERS = 6
_WORD = 8
_QUALIFIER = re.compile(
    r"\b(?:const|volatile|__user|__rcu|__percpu|__force|__attribute__\(\(.*\)\))\s*"
)
_PER_CPU = re.compile(r'__percpu|"percpu"')  # the word, or the type tag that it expands to
_ARRAY = re.compile(r"^(?P<type>.*?)\s*\[(?P<count>[^\]]*)\]$")


@dataclass(frozen=True)
class Start:
    """An argument, a field of a tracepoint or the return value.

    `reason` says why it cannot be read; then there is no place. `whole` is how it is shown where
    only that is possible: a text of any size in a tracepoint's record.
    """

    name: str
    declaration: str
    at: str
    place: Place | None = None
    reason: str = ""
    whole: Rendering | None = None


def argument_words(paths: Paths, prototype: int) -> int:
    """Return how many words of a trampoline the arguments of a function take."""
    types = [Type(type_id) for _, type_id in paths.btf.parameters(prototype) if type_id]
    return sum(-(-_size(paths, type_) // _WORD) for type_ in types)


def of_function(paths: Paths, prototype: int, mode: str) -> tuple[list[Start], Start | None]:
    """Return a function's arguments and its return value; None for void."""
    btf = paths.btf
    parameters = [(name, type_id) for name, type_id in btf.parameters(prototype) if type_id]
    types = [Type(type_id) for _, type_id in parameters]
    sizes = [_size(paths, type_) for type_ in types]
    words = (_in_order if mode in TRAMPOLINES else _by_convention)(sizes)
    starts = []
    names = [name or f"arg{number}" for number, (name, _) in enumerate(parameters)]
    for name, type_, size, word in zip(names, types, sizes, words, strict=True):
        start = Start(name, paths.text(type_, name), ENTRY)
        reason = _why_not(paths, type_, size, word, mode)
        place = Place(type_, word, in_words=True, name=name)
        starts.append(replace(start, reason=reason) if reason else replace(start, place=place))
    returned = Type(btf.target(prototype))
    if paths.kind(returned) is None:
        return starts, None
    result = Start("ret", paths.text(returned, "ret"), RETURN)
    if _size(paths, returned) > _WORD:
        return starts, replace(result, reason="only return values of up to 8 bytes can be read")
    return starts, replace(result, place=Place(returned, RESULT, in_words=True, name="ret"))


def of_syscall(paths: Paths, fields: Sequence[Field]) -> tuple[list[Start], Start]:
    """Return a system call's arguments and its result, a long."""
    starts = []
    for number, field in enumerate(fields):
        type_ = _named_type(paths, field)
        place = Place(type_, number, in_words=True, name=field.name)
        starts.append(Start(field.name, paths.text(type_, field.name), ENTRY, place))
    returned = Type(integer=Integer(8, True, "long"))
    place = Place(returned, RESULT, in_words=True, name="ret")
    return starts, Start("ret", "long ret", RETURN, place)


def of_tracepoint(paths: Paths, fields: Sequence[Field]) -> list[Start]:
    """Return the fields of a tracepoint's record."""
    return [_field(paths, field) for field in fields]


def current_task(paths: Paths) -> Start:
    """Return the current task_struct, called `current` as in the kernel's sources."""
    type_ = Type(paths.named("struct", "task_struct").type_id, 1)
    place = Place(type_, TASK, in_words=True, name="current")
    return Start("current", "struct task_struct *current", ENTRY, place)


def _field(paths: Paths, field: Field) -> Start:
    declaration = f"{field.type} {field.name}"
    if field.is_data_loc:
        start = Start(field.name, f"__data_loc {declaration}", ENTRY)
        if field.is_relative:
            return replace(start, reason="texts at a relative place (__rel_loc) cannot be read")
        is_text = _QUALIFIER.sub("", field.type).startswith("char")
        read = Read(ENTRY, CONTEXT, offset=field.offset, size=0)
        text = Text(DATA_LOC, read, MAX_TEXT_BYTES)
        return replace(start, whole=Rendering("text" if is_text else "bytes", texts=(text,)))
    type_ = _named_type(paths, field)
    per_cpu = type_.pointers > 0 and _is_per_cpu(paths, field, paths.target(type_))
    place = Place(type_, CONTEXT, offset=field.offset, name=field.name, per_cpu=per_cpu)
    return Start(field.name, paths.text(type_, field.name), ENTRY, place)


def _is_per_cpu(paths: Paths, field: Field, target: Type) -> bool:
    is_marked = _PER_CPU.search(field.type) is not None
    return is_marked or is_named_per_cpu(field.name, paths.record_name(target))


def _named_type(paths: Paths, field: Field) -> Type:
    """Return the type of a field by its text in C; else an integer of its size."""
    text = _QUALIFIER.sub("", field.type).strip()
    array = _ARRAY.match(text)
    if array:
        text = array["type"]
    pointers = text.count("*")
    keyword, _, name = text.replace("*", " ").strip().rpartition(" ")
    try:
        if keyword in ("struct", "union", "enum"):
            type_ = paths.named(keyword, name, pointers)
        else:
            type_ = paths.named("", f"{keyword} {name}".strip(), pointers)
        size = paths.size(type_)
    except PathError:
        if pointers:  # to a type of a module, or one that only the format knows
            return Type(pointers=pointers)
        type_, size = Type(), 0
    if array and size and field.size >= size:
        return replace(type_, count=max(field.size // size, 1))
    if size and field.size in (size, _WORD):
        return type_
    if field.size in (1, 2, 4, 8) and not array:
        return Type(integer=Integer(field.size, field.signed, field.type))
    return Type(integer=Integer(1, False, "unsigned char"), count=max(field.size, 1))


def _size(paths: Paths, type_: Type) -> int:
    try:
        return paths.size(type_)
    except (PathError, BtfError):
        return 0


def _in_order(sizes: Iterable[int]) -> Iterator[int]:
    word = 0
    for size in sizes:
        yield word
        word += -(-size // _WORD)


def _by_convention(sizes: Iterable[int]) -> Iterator[int]:
    registers, stack = 0, 0
    for size in sizes:
        needed = -(-size // _WORD)
        if size <= MAX_FIELDS_BYTES and registers + needed <= _REGISTERS:
            yield registers
            registers += needed
        else:
            yield _REGISTERS + stack
            stack += needed


def _why_not(paths: Paths, type_: Type, size: int, word: int, mode: str) -> str:
    if size == 0:
        return "it has no bytes"
    if paths.kind(type_) == Kind.FLOAT:
        return "floating-point arguments are in registers that programs cannot read"
    if size > MAX_FIELDS_BYTES and mode in TRAMPOLINES:
        return f"trampolines pass structs of up to {MAX_FIELDS_BYTES} bytes only"
    last = word + -(-size // _WORD)
    if last > MAX_ARGUMENT_WORDS:
        return f"it is in word {last} of the arguments; the first {MAX_ARGUMENT_WORDS} can be read"
    return ""
