# SPDX-License-Identifier: Apache-2.0
"""Makes the files of the index of functions (app/kernel/functions.py). No I/O.

One pass over each BTF and each list: a look-up for each of 60,000 functions would take minutes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace

from app.btf import c_text
from app.btf.format import MODIFIERS, BtfError, Kind
from app.btf.reader import POINTER_SIZE, Btf
from app.kernel.functions import (
    FUNCTION,
    INTEGERS,
    KINDS,
    OF_MODULE,
    PLACE,
    RECORD,
    RETURNS,
    SEPARATOR,
    SIGNATURE_PROBLEMS,
    SYSCALL,
    TAKES,
    THE_KERNEL,
    TRACEPOINT,
    Facts,
    Sources,
    encode_terms,
)
from app.kernel.functions_sources import Symbols, with_aliases
from app.kernel.tracepoint_format import Field, parse_format

_MAX_DEPTH = 64
_NAMELESS = ("", 0)
_SYSCALLS, _ENTER, _EXIT = "syscalls", "sys_enter_", "sys_exit_"


@dataclass(frozen=True)
class TrampolineRules:
    """What a BPF trampoline can pass on, by the kernel's version (libbpf's
    btf_type_is_traceable_func; btf_distill_func_proto in kernel/bpf/btf.c).

    - More than 6 words of arguments: Linux 6.6 (473e3150e30a).
    - Structs by value, of at most 16 bytes: Linux 6.1.
    - Unions by value: Linux 6.18 (ccb4f5d91ec4).
    """

    max_slots: int
    structs_by_value: bool
    unions_by_value: bool

    @classmethod
    def of(cls, version_code: int) -> TrampolineRules:
        """Return the rules of a kernel, by its LINUX_VERSION_CODE."""
        major, minor = version_code >> 16, version_code >> 8 & 0xFF
        version = (major, minor)
        return cls(12 if version >= (6, 6) else 6, version >= (6, 1), version >= (6, 18))


@dataclass(frozen=True)
class Found:
    """Everything that was read of the kernel; None or empty for what could not be."""

    btf: Btf | None
    module_btf: Mapping[str, Btf]
    symbols: Symbols | None
    ftrace: set[tuple[str, bytes]] | None
    blacklist: set[bytes] | None
    tracepoints: Mapping[str, str]


@dataclass
class _Row:
    """An entry before it has a number."""

    name: bytes
    prototype: str = ""
    function_id: int = 0
    module: str = ""
    facts: int = 0  # Facts, as a number: adding to those costs much more
    problem: str | None = None
    takes: tuple[tuple[str, int], ...] = ()
    returns: tuple[tuple[str, int], ...] = ()


def build(found: Found, sources: Sources, rules: TrampolineRules) -> dict[str, bytes]:
    """Return the files of the index, by name."""
    if found.ftrace is not None and found.symbols is not None:
        found = replace(found, ftrace=with_aliases(found.ftrace, found.symbols))
    rows = {
        FUNCTION: list(_functions(found, rules)),
        SYSCALL: list(_syscalls(found.tracepoints)),
        TRACEPOINT: list(_tracepoints(found.tracepoints)),
    }
    modules = sorted({row.module for row in rows[FUNCTION] if row.module})
    numbers = {module: number for number, module in enumerate(["", *modules])}
    problems = {problem: number for number, problem in enumerate(SIGNATURE_PROBLEMS)}
    names, records, prototypes = bytearray(), bytearray(), bytearray(b"\n")
    begins, postings, number = {}, dict[tuple[str, str, int], list[int]](), 0
    texts = {"": 0}  # where each prototype's line is
    for kind in KINDS:
        begins[kind] = number
        for row in sorted(rows[kind], key=lambda each: (each.name, each.module)):
            at = texts.get(row.prototype)
            if at is None:
                at = texts[row.prototype] = len(prototypes)
                prototypes += row.prototype.encode() + b"\n"
            names += row.name + b"\n"
            records += RECORD.pack(
                at, row.function_id, numbers[row.module], row.facts, problems[row.problem]
            )
            for text, pointers in row.takes:
                postings.setdefault((TAKES, text, pointers), []).append(number)
            for text, pointers in row.returns:
                postings.setdefault((RETURNS, text, pointers), []).append(number)
            if kind == FUNCTION:
                of = (OF_MODULE, row.module or THE_KERNEL, 0)
                postings.setdefault(of, []).append(number)
            number += 1
    terms, packed = encode_terms(postings)
    about = {"modules": modules, "begins": begins, "sources": asdict(sources)}
    return {
        "names": bytes(names),
        "records": bytes(records) or bytes(RECORD.size),
        "prototypes": bytes(prototypes),
        "terms": terms,
        "postings": packed,
        "about.json": json.dumps(about).encode(),
    }


def _functions(found: Found, rules: TrampolineRules) -> Iterator[_Row]:
    described: set[tuple[str, bytes]] = set()
    of_kernel = [] if found.btf is None else [("", found.btf)]
    for module, btf in (*of_kernel, *found.module_btf.items()):
        prototypes = Prototypes(btf, rules)
        rows: dict[bytes, _Row] = {}
        for type_id, text, proto in btf.functions():
            name = text.encode()
            if (known := rows.get(name)) is not None:
                known.facts |= _TWO_IN_BTF
                continue
            key = (module, name)
            described.add(key)
            row = rows[name] = prototypes.row(name, proto)
            row.function_id, row.module, row.facts = type_id, module, _facts(found, key)
        yield from rows.values()
    if found.symbols is None:
        return
    left_out = found.symbols.init | found.symbols.not_code
    for key in found.symbols.counts:
        module, name = key
        if key not in described and (module or name not in left_out):
            yield _Row(name, module=module, facts=_facts(found, key))


_SYMBOL, _AMBIGUOUS, _AMBIGUOUS_HERE, _FTRACE, _BLACKLISTED, _INIT, _TWO_IN_BTF = (
    int(fact) for fact in Facts
)


def _facts(found: Found, key: tuple[str, bytes]) -> int:
    (module, name), facts = key, 0
    if (symbols := found.symbols) is not None:
        if here := symbols.counts.get(key, 0):
            facts |= _SYMBOL
            # The kernel takes the first symbol of a name, be it a variable's.
            is_variable = name in symbols.variables
            if symbols.everywhere[name] > 1 or is_variable:
                facts |= _AMBIGUOUS | (_AMBIGUOUS_HERE if here > 1 or is_variable else 0)
        if not module:
            if name in symbols.init:
                facts |= _INIT
            if found.blacklist is None and name in symbols.no_kprobes:
                facts |= _BLACKLISTED
    if found.ftrace is not None and key in found.ftrace:
        facts |= _FTRACE
    if found.blacklist is not None and name in found.blacklist:
        facts |= _BLACKLISTED
    return facts


@dataclass(frozen=True)
class _Type:
    """A type as a parameter: its declaration, its innermost name with the number of pointers
    (`named`), and how a trampoline passes it: words, or the problem."""

    declaration: str
    bare: str  # the same without a name
    named: tuple[str, int]
    words: int
    problem: str | None
    is_record: bool


@dataclass(frozen=True)
class _Proto:
    """A prototype as the index has it; functions share many."""

    text: str
    problem: str | None
    takes: tuple[tuple[str, int], ...]
    returns: tuple[tuple[str, int], ...]


@dataclass
class Prototypes:
    """Prototypes of one BTF as rows of the index. Each type is worked out once."""

    btf: Btf
    rules: TrampolineRules
    _types: dict[int, _Type] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)
    _protos: dict[int, _Proto] = field(default_factory=dict)

    def row(self, name: bytes, proto: int) -> _Row:
        """Return the row of a function with this prototype; raises BtfError for broken BTF."""
        known = self._protos.get(proto)
        if known is None:
            if self.btf.kind(proto) != Kind.FUNC_PROTO:
                raise BtfError(f"function {name!r} has no prototype")
            known = self._protos[proto] = self._proto(proto)
        return _Row(name, known.text, 0, "", 0, known.problem, known.takes, known.returns)

    def _proto(self, proto: int) -> _Proto:
        btf, names, types = self.btf, self._names, self._types
        returns = self._type(btf.target(proto))
        words = btf.parameter_words(proto)
        is_variadic = words[-2:] == [0, 0]
        if is_variadic:
            del words[-2:]
        parameters, parts, takes = [], [returns.bare], set()
        for number, (offset, type_id) in enumerate(zip(words[::2], words[1::2], strict=True)):
            each = types.get(type_id) or self._type(type_id)
            name = names.get(offset)
            if name is None:
                name = names[offset] = btf.text_at(offset)
            parameters.append(each)
            parts += (name or f"arg{number}", each.declaration)
            takes.add(each.named)
        takes.discard(_NAMELESS)
        if is_variadic:
            parts += ("...", PLACE)
        return _Proto(
            SEPARATOR.join(parts) + SEPARATOR,
            self._problem(returns, parameters, is_variadic),
            tuple(takes),
            () if returns.named == _NAMELESS else (returns.named,),
        )

    def _problem(self, returns: _Type, types: list[_Type], is_variadic: bool) -> str | None:
        if is_variadic:
            return "varargs"
        if returns.is_record:
            return "struct_returned"
        for each in types:
            if each.problem:
                return each.problem
        slots = sum(each.words for each in types)
        return "too_many_arguments" if slots > self.rules.max_slots else None

    def _type(self, type_id: int) -> _Type:
        known = self._types.get(type_id)
        if known is None:
            known = self._types[type_id] = self._work_out(type_id)
        return known

    def _work_out(self, type_id: int) -> _Type:
        btf = self.btf
        inner = btf.resolve(type_id)
        kind = btf.kind(inner)
        words, problem = 1, None
        is_record = kind in (Kind.STRUCT, Kind.UNION)
        if kind is None or kind == Kind.PTR:
            pass
        elif kind in (Kind.INT, Kind.ENUM, Kind.ENUM64) or is_record:
            size = btf.size(inner)
            words = -(-size // POINTER_SIZE)
            allowed = self.rules.unions_by_value or kind != Kind.UNION
            if is_record and not (self.rules.structs_by_value and allowed):
                problem = "struct_argument"
            elif size > 2 * POINTER_SIZE:
                problem = "large_argument"
        else:
            problem = "unsupported_type"  # floating point, or a forward declaration
        text = c_text.declare(btf, type_id, PLACE)
        named = innermost(btf, type_id)
        return _Type(text, _without_place(text), named, words, problem, is_record)


def innermost(btf: Btf, type_id: int) -> tuple[str, int]:
    """Return a type's name without `struct`, `const` and the like, and its number of pointers.

    A typedef is its own name. Of what has no name (a function's type), the name is empty.
    """
    pointers = 0
    for _ in range(_MAX_DEPTH):
        kind = btf.kind(type_id)
        if kind is None:
            return "void", pointers
        if kind in MODIFIERS or kind in (Kind.PTR, Kind.ARRAY):
            pointers += kind in (Kind.PTR, Kind.ARRAY)
            type_id = btf.target(type_id)
            continue
        if kind == Kind.INT:
            return c_text.base_name(btf, type_id), pointers
        name = "" if kind == Kind.FUNC_PROTO else btf.name(type_id)
        return (name, pointers) if name else _NAMELESS
    raise BtfError(f"type {type_id}: a type that refers to itself")


def _syscalls(tracepoints: Mapping[str, str]) -> Iterator[_Row]:
    """Yield the system calls: those with a tracepoint at the entry and one at the exit."""
    for full_name, text in tracepoints.items():
        category, _, event = full_name.partition(":")
        call = event.removeprefix(_ENTER)
        if category != _SYSCALLS or call == event:
            continue
        if f"{_SYSCALLS}:{_EXIT}{call}" in tracepoints:
            yield _of_fields(call.encode(), "long", parse_format(text)[1:])


def _tracepoints(tracepoints: Mapping[str, str]) -> Iterator[_Row]:
    for full_name, text in tracepoints.items():
        if text and not full_name.startswith(f"{_SYSCALLS}:"):
            yield _of_fields(full_name.encode(), "void", parse_format(text))


def _of_fields(name: bytes, returns: str, fields: Iterable[Field]) -> _Row:
    parts, takes = [returns], set()
    for each in fields:
        base, bracket, size = each.type.partition("[")
        star = "" if base.endswith("*") else " "
        parts += [each.name, f"{base.rstrip()}{star}{PLACE}{bracket}{size}"]
        takes.add(_named(each.type))
    takes.discard(_NAMELESS)
    return _Row(
        name,
        SEPARATOR.join([*parts, ""]),
        takes=tuple(takes),
        returns=() if returns == "void" else ((returns, 0),),
    )


_NOT_A_NAME = frozenset(("struct", "union", "enum", "const", "volatile", "__user"))


def _named(declared: str) -> tuple[str, int]:
    """Return what `innermost` does, for a type as text: `const struct sock *` is ("sock", 1)."""
    base, bracket, _ = declared.partition("[")
    words = base.replace("*", " * ").split()
    pointers = words.count("*") + bool(bracket)
    name = " ".join(w for w in words if w not in _NOT_A_NAME and w != "*")
    return INTEGERS.get(name, name), pointers


def _without_place(declaration: str) -> str:
    return declaration.replace(f" {PLACE})", ")").replace(PLACE, "").rstrip()
