# SPDX-License-Identifier: Apache-2.0
"""BTF types as C text, such as `int (*handler)(struct file *, char *)`."""

from __future__ import annotations

from collections.abc import Callable

from app.btf.format import MODIFIERS, BtfError, Kind
from app.btf.reader import Btf

_QUALIFIERS = {Kind.CONST: "const", Kind.VOLATILE: "volatile", Kind.RESTRICT: "__restrict"}
_MAX_DEPTH = 64

# C's integers as pahole spells them, all valid C, with the size in bytes that each must have.
_INTEGERS = {
    "_Bool": 1,
    "char": 1,
    "signed char": 1,
    "unsigned char": 1,
    "short int": 2,
    "short unsigned int": 2,
    "int": 4,
    "unsigned int": 4,
    "long int": 8,
    "long unsigned int": 8,
    "long long int": 8,
    "long long unsigned int": 8,
    "__int128": 16,
    "__int128 unsigned": 16,
}
_KEYWORDS = {
    Kind.STRUCT: "struct ",
    Kind.UNION: "union ",
    Kind.ENUM: "enum ",
    Kind.ENUM64: "enum ",
}
_BY_SIZE = {1: "char", 2: "short", 4: "int", 8: "long long", 16: "__int128"}


def integer(size: int, signed: bool) -> str:
    """Return C's integer of this size in bytes; raises BtfError if there is none."""
    if size not in _BY_SIZE:
        raise BtfError(f"C has no integer of {size} bytes")
    return ("signed " if signed else "unsigned ") + _BY_SIZE[size]


def base_name(btf: Btf, type_id: int) -> str:
    """Return a type that is not derived from others as C spells it: `struct file`, `size_t`."""
    kind, name = btf.kind(type_id), btf.name(type_id)
    if kind is None:
        return "void"
    if kind == Kind.INT:
        size = btf.size(type_id)
        return name if _INTEGERS.get(name) == size else integer(size, btf.int_is_signed(type_id))
    if kind == Kind.FWD:
        return f"{'union' if btf.forward_is_union(type_id) else 'struct'} {name}"
    return _KEYWORDS.get(kind, "") + (name or "{...}")


def declare(
    btf: Btf,
    type_id: int,
    declared: str = "",
    base: Callable[[Btf, int], str] = base_name,
) -> str:
    """Return the declaration of `declared` with this type; without a name, the type alone.

    `base` spells the innermost type. Raises BtfError for types that refer to themselves.
    """
    qualifiers: list[str] = []
    for _ in range(_MAX_DEPTH):
        kind = btf.kind(type_id)
        if kind in MODIFIERS:
            qualifier = _QUALIFIERS.get(kind)  # type tags such as __user are not C
            if qualifier and qualifier not in qualifiers:
                qualifiers.append(qualifier)
        elif kind == Kind.PTR:
            declared = "*" + " ".join([*qualifiers, declared] if declared else qualifiers)
            qualifiers = []
        elif kind == Kind.ARRAY:  # C applies an array's qualifiers to its elements
            declared = f"{_parenthesized(declared)}[{btf.element_count(type_id)}]"
        elif kind == Kind.FUNC_PROTO:
            declared = f"{_parenthesized(declared)}({_parameters(btf, type_id, base)})"
            qualifiers = []
        else:
            return " ".join([*qualifiers, base(btf, type_id), declared]).rstrip()
        type_id = btf.target(type_id)
    raise BtfError(f"type {type_id}: a declarator that refers to itself")


def _parenthesized(declared: str) -> str:
    """Enclose a pointer's declarator, as `[]` and `()` bind closer than `*`."""
    return f"({declared})" if declared.startswith("*") else declared


def _parameters(btf: Btf, proto_id: int, base: Callable[[Btf, int], str]) -> str:
    parameters = btf.parameters(proto_id)
    if not parameters:
        return "void"
    return ", ".join("..." if t == 0 else declare(btf, t, "", base) for _, t in parameters)
