# SPDX-License-Identifier: Apache-2.0
"""The answers recorded for the page's tests (tests/vectors/answers) are what the service sends."""

from __future__ import annotations

import copy

import pytest

from tests.support.answers import differences, record, recorded, shape
from tests.support.service import Service

AGAIN = "record them again: sudo python -m tests.support.answers"
# Compared in full, not only in shape: their content depends on the request alone.
FIXED = ("problem_field", "problem_fields", "problem_body", "problem_query", "problem_token")


def test_what_is_recorded_is_what_is_sent(idle: Service, modes: tuple[str, ...]) -> None:
    kept, sent = recorded(), record(idle, modes[-1])
    assert kept.keys() - sent.keys() <= {"problem_unavailable"}, AGAIN  # where all modes work
    assert not sent.keys() - kept.keys(), AGAIN
    for name in sent:
        assert differences(shape(kept[name]), shape(sent[name]), name) == [], AGAIN
    assert {name: sent[name] for name in FIXED} == {name: kept[name] for name in FIXED}, AGAIN


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("columns", 0, "unit"), None),
        (("columns", 0, "title"), 5),
        (("counters",), {}),
        (("filter",), []),
        (("id",), {"new": 1}),
    ],
)
def test_another_shape_is_found(path: tuple[str | int, ...], change: object) -> None:
    kept = recorded()["probe_running"]
    sent = copy.deepcopy(kept)
    node = sent
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = change
    found = differences(shape(kept), shape(sent))
    assert bool(found) == (change is not None)
    del node[path[-1]]
    if len(path) == 1:
        assert differences(shape(kept), shape(sent)) == [f".{path[0]} is sent no more"]
