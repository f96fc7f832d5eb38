# SPDX-License-Identifier: Apache-2.0
"""What a comparison is asked, and who may ask; the comparison is a fake."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.probes.modes import MODES
from app.probes.spec import Filter, ProbeSpec, Target
from app.web.api.responses import ComparedSchema
from app.web.context import Service
from tests.support.web_fakes import COMPARED, FakeComparison


@pytest.fixture
def comparison(service: Service) -> FakeComparison:
    return service.comparison  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("body", "spec", "modes", "duration_s"),
    [
        (None, ProbeSpec(), None, 3.0),
        ({}, ProbeSpec(), None, 3.0),
        ({"modes": ["fexit", "kprobe"]}, ProbeSpec(), ["fexit", "kprobe"], 3.0),
        (
            {"function": "vfs_read", "columns": ["count"], "duration_s": 30},
            ProbeSpec(target=Target("function", "vfs_read"), columns=("count",)),
            None,
            30.0,
        ),
        (
            {"filter": {"uid": 5}, "where": "comm=rm"},
            ProbeSpec(Filter(uid=5), where="comm=rm"),
            None,
            3.0,
        ),
        ({"modes": [*MODES]}, ProbeSpec(), [*MODES], 3.0),
    ],
)
def test_what_is_compared(
    client: FlaskClient,
    comparison: FakeComparison,
    body: Any,
    spec: ProbeSpec,
    modes: list[str] | None,
    duration_s: float,
) -> None:
    answer = client.post("/compare", json=body) if body is not None else client.post("/compare")
    assert (answer.status_code, answer.json) == (200, COMPARED)
    assert ComparedSchema().validate(answer.json) == {}
    assert comparison.asked == [(spec, modes, duration_s, "uid 1000")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"modes": ["fexit"]}, "modes"),
        ({"modes": []}, "modes"),
        ({"modes": ["fexit", "fexit"]}, "modes"),
        ({"modes": ["fexit", "nonsense"]}, "modes.1"),
        ({"modes": ["fexit"] * 9}, "modes"),
        ({"modes": "fexit"}, "modes"),
        ({"duration_s": 0}, "duration_s"),
        ({"duration_s": 30.5}, "duration_s"),
        ({"duration_s": None}, "duration_s"),
        ({"mode": "fexit"}, "mode"),
        ({"restart": True}, "restart"),
        ({"aggregate": {}}, "aggregate"),
        ({"function": "a b"}, "function"),
        ({"function": "vfs_read", "mode": "tracepoint"}, "mode"),
    ],
)
def test_a_bad_body_is_refused_by_name(
    client: FlaskClient, comparison: FakeComparison, body: Any, field: str
) -> None:
    answer = client.post("/compare", json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert [fault["field"] for fault in answer.json["errors"]] == [field]
    assert comparison.asked == []


def test_it_is_a_post(client: FlaskClient, comparison: FakeComparison) -> None:
    assert client.get("/compare").status_code == 405
    assert comparison.asked == []
