# SPDX-License-Identifier: Apache-2.0
"""Recorded answers of the service are exactly what the OpenAPI document declares."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from marshmallow import EXCLUDE, Schema, fields

from app.web.api.problem import ProblemSchema
from app.web.api.responses import (
    AuditSchema,
    GapSchema,
    HealthSchema,
    ProbeSchema,
    ProbesSchema,
    UsersSchema,
)
from tests.support.answers import recorded

RECORDED = recorded()
SCHEMAS: dict[str, type[Schema]] = {
    "audit": AuditSchema,
    "healthz": HealthSchema,
    "probe_ended": ProbeSchema,
    "probe_running": ProbeSchema,
    "probes": ProbesSchema,
    "users": UsersSchema,
}
# Websocket messages, which hold probes or are gaps as of `GET /events`.
PROBES_OF = {
    "hello": lambda message: message["probes"],
    "state": lambda message: [message["probe"]],
    "state_blind": lambda message: [message["probe"]],
}
GAPS = ("gap", "gap_unwatched")
EXTENSIBLE = {name: ProblemSchema for name in RECORDED if name.startswith("problem_")}


def faults(schema: type[Schema], answer: Any) -> Any:
    """Unknown members, missing ones, and values of another type."""
    return schema(unknown="raise").validate(answer)


def test_every_recording_is_checked_here() -> None:
    assert RECORDED.keys() == {*SCHEMAS, *PROBES_OF, *GAPS, *EXTENSIBLE}


@pytest.mark.parametrize("name", SCHEMAS)
def test_answers(name: str) -> None:
    assert faults(SCHEMAS[name], RECORDED[name]) == {}


@pytest.mark.parametrize("name", PROBES_OF)
def test_probes_in_messages(name: str) -> None:
    probes = PROBES_OF[name](RECORDED[name])
    assert probes
    assert [faults(ProbeSchema, probe) for probe in probes] == [{}] * len(probes)


@pytest.mark.parametrize("name", GAPS)
def test_gaps(name: str) -> None:
    assert faults(GapSchema, {**RECORDED[name], "before": 0}) == {}


@pytest.mark.parametrize("name", EXTENSIBLE)
def test_problems(name: str) -> None:
    """RFC 9457 allows further members."""
    assert ProblemSchema(unknown=EXCLUDE).validate(RECORDED[name]) == {}


def objects(answer: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """The path of each object in an answer, with each of its members."""
    if isinstance(answer, dict):
        for name, value in answer.items():
            yield path, name
            yield from objects(value, (*path, name))
    elif isinstance(answer, list) and answer:
        yield from objects(answer[0], (*path, 0))


def at(answer: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        answer = answer[step]
    return answer


OPTIONAL = {(("filter",), name) for name in RECORDED["probe_running"]["filter"]}
FREE = {("drops",)}  # its members are app.probes.drops


@pytest.mark.parametrize(("path", "name"), list(objects(RECORDED["probe_running"])))
def test_a_member_more_or_less_is_found(path: tuple[Any, ...], name: str) -> None:
    without, more = (copy.deepcopy(RECORDED["probe_running"]) for _ in range(2))
    del at(without, path)[name]
    at(more, path)["surplus"] = "x"
    is_free = (path, name) in OPTIONAL or path in FREE
    assert bool(faults(ProbeSchema, without)) != is_free
    assert faults(ProbeSchema, more)


def test_members_that_are_null_while_recorded_are_declared_whole() -> None:
    """`ended`, `blind` and `cost` of a probe are objects at other times."""
    nested = {
        name: set(field.schema.fields)
        for name, field in ProbeSchema().fields.items()
        if isinstance(field, fields.Nested)
    }
    assert nested["blind"] == RECORDED["state_blind"]["probe"]["blind"].keys()
    assert nested["ended"] >= RECORDED["probe_ended"]["ended"].keys()
    assert nested["cost"] == {"calls", "ns_per_call"}
