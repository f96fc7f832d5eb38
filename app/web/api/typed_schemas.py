# SPDX-License-Identifier: Apache-2.0
"""Makes marshmallow schemas of declared types, so that no answer is declared twice."""

from __future__ import annotations

from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from marshmallow import Schema, fields

_SCALARS: dict[Any, type[fields.Field[Any]]] = {
    str: fields.String,
    int: fields.Integer,
    float: fields.Float,
    bool: fields.Boolean,
}


def schema_of(shape: type, **given: fields.Field[Any]) -> type[Schema]:
    """Return the schema of a TypedDict or dataclass; `given` replaces the fields of members.

    `XJson` becomes `XSchema`. All members are required but those of a TypedDict with
    `total=False`. Raises TypeError for a type that JSON or this function does not know.
    """
    if not (is_typeddict(shape) or is_dataclass(shape)):
        raise TypeError(f"{shape!r} is neither a TypedDict nor a dataclass")
    hints = get_type_hints(shape, include_extras=True)
    if unknown := given.keys() - hints.keys():
        raise TypeError(f"{shape.__name__} has no member {', '.join(sorted(unknown))}")
    required = getattr(shape, "__required_keys__", hints.keys())
    members = {
        name: given.get(name) or _field(hint, required=name in required)
        for name, hint in hints.items()
    }
    name = shape.__name__.removesuffix("Json") + "Schema"
    return Schema.from_dict(members, name=name)


def _field(hint: Any, **options: Any) -> fields.Field[Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        hint, description = arguments
        return _field(hint, metadata={"description": description}, **options)
    if origin in (Union, UnionType) and len(arguments) == 2 and NoneType in arguments:
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return _field(inner, allow_none=True, **options)
    if origin is Literal:
        return fields.String(metadata={"enum": list(arguments)}, **options)
    if origin is list:
        return fields.List(_field(arguments[0]), **options)
    if origin is dict:
        values = None if arguments[1] is Any else _field(arguments[1])
        return fields.Dict(keys=fields.String(), values=values, **options)
    kind = _SCALARS.get(hint)
    return kind(**options) if kind else fields.Nested(schema_of(hint), **options)
