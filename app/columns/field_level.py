# SPDX-License-Identifier: Apache-2.0
"""What an expression can continue with: one level of fields, with type and default rendering."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.btf import c_text
from app.btf.format import Kind
from app.btf.type_paths import PathError, Paths, Place
from app.columns.expression import ExpressionError, parse_value
from app.columns.plan import DENTRY, ENTRY, PATH
from app.columns.rendering import Rendering
from app.columns.starts import Start
from app.columns.subject import Subject
from app.columns.types import by_type, has_fields

MAX_FIELDS = 512  # of one level; the kernel's largest structs have some 300
_MAX_DEPTH = 8  # of anonymous structs in each other, in a declaration
_RECORDS = (Kind.STRUCT, Kind.UNION)


@dataclass(frozen=True)
class FieldHere:
    """A field, or an argument: how to write it, and how it is shown without a renderer.

    `declaration` is C's. `shown_as` is a decoder (app/columns/types.py), `path`, or `fields` for a
    struct of up to 16 bytes, a column each; None with the `reason` why it cannot be read.
    `column_type` is null for those too. `has_fields` says that there is a level below.
    """

    name: str
    expression: str
    type: str
    declaration: str
    size_bytes: int | None
    bit_size: int | None
    shown_as: str | None
    column_type: str | None
    has_fields: bool
    reason: str | None


@dataclass(frozen=True)
class Level:
    """The fields one level below an expression; `left_out` counts those beyond MAX_FIELDS."""

    type: str
    declaration: str
    fields: tuple[FieldHere, ...]
    left_out: int


def level_at(subject: Subject, at: str) -> Level:
    """Return the level below an expression; empty: the arguments. Raises ExpressionError."""
    if not at.strip():
        return _arguments(subject)
    value = parse_value(at)
    place, paths = subject.place(value), subject.paths
    try:
        outer = paths.pointee(place) if paths.kind(place.type) == Kind.PTR else place
        kind = paths.kind(outer.type)
        if kind == Kind.FWD or kind in _RECORDS:
            found = _members(paths, at.strip(), place, outer)
        elif outer is not place or kind == Kind.ARRAY:
            found = _first(paths, at.strip(), place, kind)
        else:
            found = ()
        declaration = "".join(_declaration(paths, paths.record_id(outer.type), 0))
    except PathError as error:
        raise ExpressionError(error.message, value.position, error.near) from None
    kept = tuple(found)[:MAX_FIELDS]
    return Level(paths.text(place.type), declaration, kept, len(found) - len(kept))


def _arguments(subject: Subject) -> Level:
    paths, result = subject.paths, subject.result
    here = tuple(
        _of_start(paths, each, _expression(subject, each, number))
        for number, each in enumerate(subject.arguments)
    )
    if result is not None:
        here = (*here, _of_start(paths, result, result.name))
    inside = ", ".join(each.declaration for each in subject.arguments)
    if subject.hook.kind == "tracepoint":
        declaration = f"{subject.hook.category}:{subject.hook.name}({inside})"
    else:
        returns = "void" if result is None else result.declaration.removesuffix("ret").rstrip()
        space = "" if returns.endswith("*") else " "
        declaration = f"{returns}{space}{subject.hook.name}({inside or 'void'})"
    return Level("", declaration, here[:MAX_FIELDS], max(len(here) - MAX_FIELDS, 0))


def _expression(subject: Subject, start: Start, number: int) -> str:
    """Return how to write an argument: by its number where its name means something else."""
    return start.name if subject.argument(start.name) is start else f"arg{number}"


def _of_start(paths: Paths, start: Start, expression: str) -> FieldHere:
    if start.place is not None:
        return _field(paths, start.name, expression, start.place)
    shown = start.whole
    return FieldHere(
        name=start.name,
        expression=expression,
        type="",
        declaration=start.declaration,
        size_bytes=None,
        bit_size=None,
        shown_as=_shown(shown) if shown else None,
        column_type=shown.type if shown else None,
        has_fields=False,
        reason=start.reason or None,
    )


def _members(paths: Paths, at: str, place: Place, outer: Place) -> tuple[FieldHere, ...]:
    arrow = "." if outer is place else "->"
    return tuple(
        _field(paths, each.name, f"{at}{arrow}{each.name}", each.place)
        for each in paths.fields(outer)
    )


def _first(paths: Paths, at: str, place: Place, kind: Kind | None) -> tuple[FieldHere, ...]:
    """Return the first element of an array, or the number that a pointer points to."""
    if kind is None or kind == Kind.FUNC_PROTO:
        return ()
    return (_field(paths, "[0]", f"{at}[0]", paths.element(place, 0)),)


def _field(paths: Paths, name: str, expression: str, place: Place) -> FieldHere:
    shown, column_type, reason = None, None, None
    try:
        if has_fields(paths, place):
            shown = "fields"
        else:
            rendering = by_type(paths, place, ENTRY)
            shown, column_type = _shown(rendering), rendering.type
    except PathError as error:
        reason = error.message
    try:
        size = paths.size(place.type)
    except PathError:
        size = None
    declared = name if name.isidentifier() else ""
    text = paths.text(place.type, declared)
    return FieldHere(
        name=name,
        expression=expression,
        type=paths.text(place.type),
        declaration=f"{text} : {place.bit_size}" if place.bit_size else text,
        size_bytes=size,
        bit_size=place.bit_size or None,
        shown_as=shown,
        column_type=column_type,
        has_fields=_leads_on(paths, place),
        reason=reason,
    )


def _shown(rendering: Rendering) -> str:
    is_path = any(text.kind in (PATH, DENTRY) for text in rendering.texts)
    return "path" if is_path else rendering.decoder


def _leads_on(paths: Paths, place: Place) -> bool:
    kind = paths.kind(place.type)
    if kind == Kind.PTR:
        leads_on = paths.kind(paths.target(place.type)) not in (None, Kind.FUNC_PROTO)
        return leads_on and not paths.is_per_cpu(place)
    return kind in (*_RECORDS, Kind.ARRAY)


def _declaration(paths: Paths, record: int, depth: int) -> Iterator[str]:
    """Yield a struct's or union's declaration in C, as BTF has it; nothing for other types."""
    btf = paths.btf
    kind = btf.kind(record)
    if kind not in _RECORDS:
        return
    keyword = "struct" if kind == Kind.STRUCT else "union"
    name = btf.name(record)
    yield f"{keyword} {name} {{\n" if name else f"{keyword} {{\n"
    indent = "\t" * (depth + 1)
    members = btf.members(record)
    for member in members[:MAX_FIELDS]:
        inner = btf.resolve(member.type_id)
        is_anonymous = not btf.name(inner) and btf.kind(inner) in _RECORDS
        if is_anonymous and btf.strip(member.type_id) == inner and depth < _MAX_DEPTH:
            body = "".join(_declaration(paths, inner, depth + 1))
            yield f"{indent}{body}{' ' if member.name else ''}{member.name};\n"
            continue
        bits = f" : {member.bit_size}" if member.bit_size else ""
        yield f"{indent}{c_text.declare(btf, member.type_id, member.name)}{bits};\n"
    if len(members) > MAX_FIELDS:
        yield f"{indent}/* {len(members) - MAX_FIELDS} more */\n"
    yield "\t" * depth + "}"
