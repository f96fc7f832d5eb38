# SPDX-License-Identifier: Apache-2.0
"""Schemas made of declared types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import pytest
from marshmallow import fields

from app.web.api.typed_schemas import schema_of


class InnerJson(TypedDict):
    kind: Literal["a", "b"]


class OuterJson(TypedDict, total=False):
    number: float
    flag: bool | None
    inner: InnerJson | None
    texts: Annotated[list[str], "Some texts"]
    table: dict[str, int]
    free: dict[str, Any]


@dataclass
class Point:
    x: int
    y: int = 0


GOOD: dict[str, Any] = {
    "number": 1.5,
    "flag": None,
    "inner": {"kind": "a"},
    "texts": ["x"],
    "table": {"x": 1},
    "free": {"x": []},
}


def test_a_typed_dict() -> None:
    schema = schema_of(OuterJson)
    assert schema.__name__ == "OuterSchema"
    assert schema().validate(GOOD) == {}
    assert schema().validate({}) == {}
    assert schema().fields["texts"].metadata == {"description": "Some texts"}
    assert schema_of(InnerJson)().fields["kind"].metadata == {"enum": ["a", "b"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", None),
        ("number", "x"),
        ("flag", "perhaps"),
        ("inner", {}),
        ("inner", {"kind": "a", "more": 1}),
        ("texts", [1]),
        ("table", {"x": "y"}),
        ("free", []),
        ("surplus", 1),
    ],
)
def test_another_value_is_refused(name: str, value: Any) -> None:
    assert set(schema_of(OuterJson)().validate({**GOOD, name: value})) == {name}


def test_all_members_of_a_dataclass_are_required() -> None:
    assert set(schema_of(Point)().validate({})) == {"x", "y"}


def test_a_given_field_replaces_the_member() -> None:
    schema = schema_of(Point, y=fields.String(required=True))
    assert schema().validate({"x": 1, "y": "text"}) == {}
    with pytest.raises(TypeError, match="no member z"):
        schema_of(Point, z=fields.String())


@pytest.mark.parametrize("hint", [set, complex, object])
def test_what_json_does_not_know(hint: type) -> None:
    with pytest.raises(TypeError, match="neither"):
        schema_of(hint)
