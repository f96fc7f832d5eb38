# SPDX-License-Identifier: Apache-2.0
"""Makes the files of the index of functions (app/kernel/functions.py). No I/O.

One pass over each BTF and each list: a look-up for each of 60,000 functions would take minutes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache

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


Term = tuple[str, str, int]  # TAKES or RETURNS, a type's name, its number of pointers


@dataclass(slots=True)
class _Row:
    """An entry before it has a number."""

    name: bytes
    prototype: str = ""
    function_id: int = 0
    module: str = ""
    facts: int = 0  # Facts, as a number: adding to those costs much more
    problem: str | None = None
    terms: tuple[Term, ...] = ()


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
    begins, postings, number = {}, defaultdict[Term, list[int]](list), 0
    of_module = {module: (OF_MODULE, module or THE_KERNEL, 0) for module in numbers}
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
            for term in row.terms:
                postings[term].append(number)
            if kind == FUNCTION:
                postings[of_module[row.module]].append(number)
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
    facts_of = _facts_of(found)
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
            row.function_id, row.module, row.facts = type_id, module, facts_of(key)
        yield from rows.values()
    if found.symbols is None:
        return
    left_out = found.symbols.init | found.symbols.not_code
    for key in found.symbols.counts:
        module, name = key
        if key not in described and (module or name not in left_out):
            yield _Row(name, module=module, facts=facts_of(key))


_SYMBOL, _AMBIGUOUS, _AMBIGUOUS_HERE, _FTRACE, _BLACKLISTED, _INIT, _TWO_IN_BTF = (
    int(fact) for fact in Facts
)


def _facts_of(found: Found) -> Callable[[tuple[str, bytes]], int]:
    """Return a function that returns the facts about (module, name). It is called 60,000 times,
    and finds everything in its own variables."""
    symbols = Symbols() if found.symbols is None else found.symbols
    counts, everywhere, variables = symbols.counts, symbols.everywhere, symbols.variables
    init = symbols.init
    no_kprobes = symbols.no_kprobes if found.blacklist is None else frozenset[bytes]()
    ftrace = found.ftrace or frozenset[tuple[str, bytes]]()
    blacklist = found.blacklist or frozenset[bytes]()

    def facts_of(key: tuple[str, bytes]) -> int:
        (module, name), facts = key, 0
        if here := counts.get(key, 0):
            facts = _SYMBOL
            # The kernel takes the first symbol of a name, be it a variable's.
            is_variable = name in variables
            if is_variable or everywhere[name] > 1:
                facts |= _AMBIGUOUS | (_AMBIGUOUS_HERE if here > 1 or is_variable else 0)
        if not module:
            if name in init:
                facts |= _INIT
            if name in no_kprobes:
                facts |= _BLACKLISTED
        if key in ftrace:
            facts |= _FTRACE
        if name in blacklist:
            facts |= _BLACKLISTED
        return facts

    return facts_of


@dataclass(frozen=True, slots=True)
class _Type:
    """A type as a parameter: its declaration, its innermost name with the number of pointers, and
    how a trampoline passes it: words, or the problem."""

    declaration: str
    bare: str  # the same without a name
    takes: Term | None  # None without a name
    returns: Term | None
    words: int
    problem: str | None
    is_record: bool


@dataclass(frozen=True, slots=True)
class _Proto:
    """A prototype as the index has it; functions share many."""

    text: str
    problem: str | None
    terms: tuple[Term, ...]


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
        return _Row(name, known.text, 0, "", 0, known.problem, known.terms)

    def _proto(self, proto: int) -> _Proto:
        names, types = self._names, self._types
        returned, *words = self.btf.prototype_words(proto)
        returns = types.get(returned) or self._type(returned)
        is_variadic = words[-2:] == [0, 0]
        if is_variadic:
            del words[-2:]
        parts, terms = [returns.bare], set[Term | None]()
        slots, problem = 0, None
        numbered = enumerate(zip(words[::2], words[1::2], strict=True))
        for number, (offset, type_id) in numbered:
            each = types.get(type_id) or self._type(type_id)
            name = names.get(offset)
            if name is None:
                name = names[offset] = self.btf.text_at(offset)
            parts += (name or f"arg{number}", each.declaration)
            terms.add(each.takes)
            slots += each.words
            problem = problem or each.problem
        if is_variadic:
            parts += ("...", PLACE)
            problem = "varargs"
        elif returns.is_record:
            problem = "struct_returned"
        elif problem is None and slots > self.rules.max_slots:
            problem = "too_many_arguments"
        terms.add(returns.returns)
        parts.append("")
        return _Proto(SEPARATOR.join(parts), problem, tuple(term for term in terms if term))

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
        takes = returns = None
        if named != _NAMELESS:
            takes, returns = (TAKES, *named), (RETURNS, *named)
        return _Type(text, _without_place(text), takes, returns, words, problem, is_record)


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
    terms = tuple((TAKES, *named) for named in takes)
    if returns != "void":
        terms += ((RETURNS, returns, 0),)
    return _Row(name, SEPARATOR.join([*parts, ""]), terms=terms)


_NOT_A_NAME = frozenset(("struct", "union", "enum", "const", "volatile", "__user"))


@cache  # the 10,000 fields of Linux 6.18 have 155 types
def _named(declared: str) -> tuple[str, int]:
    """Return what `innermost` does, for a type as text: `const struct sock *` is ("sock", 1)."""
    base, bracket, _ = declared.partition("[")
    words = base.replace("*", " * ").split()
    pointers = words.count("*") + bool(bracket)
    name = " ".join(w for w in words if w not in _NOT_A_NAME and w != "*")
    return INTEGERS.get(name, name), pointers


def _without_place(declaration: str) -> str:
    return declaration.replace(f" {PLACE})", ")").replace(PLACE, "").rstrip()
