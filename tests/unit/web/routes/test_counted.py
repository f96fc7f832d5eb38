# SPDX-License-Identifier: Apache-2.0
"""What was counted as JSON, and requests to count."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.columns.aggregate import AggregateSpec, HistogramSpec
from app.hub import Hub
from app.web.api.responses import CountedSchema
from tests.support.web_fakes import FakeManager, arrow_batch

TARGET = {"function": "vfs_read"}
BY_COMM = {**TARGET, "aggregate": {"by": "comm"}}
HISTOGRAM = {**TARGET, "aggregate": {"by": ["comm"], "histogram": "count"}}


def count(hub: Hub, **columns: Any) -> None:
    hub.counted(hub.begin_run("mine"), arrow_batch(columns, probe="mine"))


def test_nothing_yet(client: FlaskClient) -> None:
    assert client.post("/probes/mine", json=BY_COMM).status_code == 201
    answer = client.get("/probes/mine/aggregate")
    assert answer.json == {
        "probe": "mine",
        "time": None,
        "calls": 0,
        "groups": 0,
        "ungrouped": 0,
        "rows": [],
    }


def test_groups(client: FlaskClient, hub: Hub) -> None:
    client.post("/probes/mine", json=BY_COMM)
    count(hub, comm=("text", ["rm", "cat"]), calls=("uint64", [5, 2]))
    answer = client.get("/probes/mine/aggregate")
    assert answer.json["rows"] == [{"comm": "rm", "calls": 5}, {"comm": "cat", "calls": 2}]
    assert CountedSchema(unknown="raise").validate(answer.json) == {}


def test_buckets_are_a_list_of_their_group(client: FlaskClient, hub: Hub) -> None:
    client.post("/probes/mine", json=HISTOGRAM)
    count(
        hub,
        comm=("text", ["rm", "rm", None]),
        low=("int64", [None, 2, 4]),
        high=("int64", [-1, 3, 7]),
        calls=("uint64", [5, 2, 1]),
    )
    assert client.get("/probes/mine/aggregate").json["rows"] == [
        {
            "comm": "rm",
            "calls": 7,
            "histogram": [{"from": None, "to": -1, "calls": 5}, {"from": 2, "to": 3, "calls": 2}],
        },
        {"comm": None, "calls": 1, "histogram": [{"from": 4, "to": 7, "calls": 1}]},
    ]


def test_a_probe_of_rows_has_none(client: FlaskClient) -> None:
    client.post("/probes/mine", json=TARGET)
    answer = client.get("/probes/mine/aggregate")
    assert (answer.status_code, answer.json["code"]) == (404, "not_counted")
    assert client.get("/probes/nosuch/aggregate").json["code"] == "unknown_probe"


@pytest.mark.parametrize(
    ("aggregate", "spec"),
    [
        ({}, AggregateSpec()),
        (
            {"by": "comm", "count": True, "sum": "count"},
            AggregateSpec(("comm",), (("sum", "count"),)),
        ),
        (
            {"by": ["pid"], "histogram": {"of": "count", "from": 0, "to": 10, "step": 2}, "top": 5},
            AggregateSpec(("pid",), (), HistogramSpec("count", 0, 10, 2), top=5),
        ),
    ],
)
def test_a_request_reaches_the_manager(
    client: FlaskClient, manager: FakeManager, aggregate: dict[str, Any], spec: AggregateSpec
) -> None:
    answer = client.post("/probes/mine", json={**TARGET, "aggregate": aggregate})
    assert answer.status_code == 201
    assert manager.specs["mine"].aggregate == spec
    assert answer.json["aggregate"] == spec.as_json()


@pytest.mark.parametrize(
    ("aggregate", "field"),
    [
        ({"by": ["a", "b", "c", "d"]}, "aggregate.by"),
        ({"count": False}, "aggregate.count"),
        ({"bye": "comm"}, "aggregate.bye"),
        ({"by": [1]}, "aggregate.by.0"),
        ({"sum": ["a", "b", "c"], "max": ["a", "b"]}, "aggregate"),
        ({"sum": ["a", "a"]}, "aggregate"),
        ({"histogram": {"of": "count", "from": 1}}, "aggregate.histogram"),
        ({"histogram": {"of": "count", "from": 5, "to": 5, "step": 1}}, "aggregate.histogram.to"),
        ({"histogram": {"from": 1, "to": 5, "step": 1}}, "aggregate.histogram.of"),
        ({"histogram": ["count"]}, "aggregate.histogram"),
        ({"groups": 0}, "aggregate.groups"),
        ({"top": 1001}, "aggregate.top"),
        ([], "aggregate"),
    ],
)
def test_what_is_refused(
    client: FlaskClient, manager: FakeManager, aggregate: object, field: str
) -> None:
    answer = client.post("/probes/mine", json={**TARGET, "aggregate": aggregate})
    assert answer.status_code == 422
    assert field in [each["field"] for each in answer.json["errors"]]
    assert "mine" not in manager.specs


def test_with_columns_it_is_refused(client: FlaskClient) -> None:
    answer = client.post("/probes/mine", json={**BY_COMM, "columns": ["count"]})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "columns")
