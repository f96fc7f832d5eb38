# SPDX-License-Identifier: Apache-2.0
"""The routes of probes: status codes, bodies, and what reaches the manager."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.probes.spec import Filter, ProbeSpec
from app.web.api.responses import ProbesSchema
from tests.support.web_fakes import FakeManager


def test_start_without_a_body(client: FlaskClient, manager: FakeManager) -> None:
    answer = client.post("/probes/fentry")
    assert (answer.status_code, answer.headers["Location"]) == (201, "/probes/fentry")
    assert answer.json["state"] == "running"
    assert manager.specs == {"fentry": ProbeSpec(mode="fentry")}


def test_who_changed_it_is_told_with_the_probe(client: FlaskClient) -> None:
    def changed(answer: Any) -> tuple[str, str]:
        return answer.json["changed_by"]["who"], answer.json["changed_by"]["what"]

    assert client.get("/probes/fexit").json["changed_by"] is None
    assert changed(client.post("/probes/fexit")) == ("uid 1000", "started")
    change = client.patch("/probes/fexit", json={"filter": {"uid": 0}})
    assert changed(change) == ("uid 1000", "filter")
    assert changed(client.delete("/probes/fexit")) == ("uid 1000", "stopped")


def test_starting_the_same_twice_is_harmless(client: FlaskClient) -> None:
    assert client.post("/probes/fexit", json={"filter": {"uid": 0}}).status_code == 201
    again = client.post("/probes/fexit", json={"filter": {"uid": 0}})
    assert (again.status_code, "Location" in again.headers) == (200, False)


def test_starting_differently_names_what_runs(client: FlaskClient) -> None:
    client.post("/probes/fexit", json={"duration_s": 5})
    other = client.post("/probes/fexit")
    assert (other.status_code, other.json["code"]) == (409, "running_differently")
    assert other.json["running"]["duration_s"] == 5.0


def test_unavailable_says_why_and_what_works(client: FlaskClient, manager: FakeManager) -> None:
    manager.unavailable["fentry"] = "EPERM: not permitted"
    answer = client.post("/probes/fentry")
    assert answer.status_code == 501
    assert answer.content_type == "application/problem+json"
    assert answer.json["reason"] == "EPERM: not permitted"
    assert answer.json["alternatives"] == ["tracepoint"]


@pytest.mark.parametrize(
    ("body", "spec"),
    [
        ({}, ProbeSpec()),
        ({"filter": None, "duration_s": None}, ProbeSpec()),
        ({"filter": {"pid": None, "only_failures": None}}, ProbeSpec()),
        ({"filter": {"pid": 4194304}}, ProbeSpec(Filter(pid=4194304))),
        ({"filter": {"uid": 0, "comm": "rm"}}, ProbeSpec(Filter(uid=0, comm="rm"))),
        ({"filter": {"comm": "é" * 7 + "x"}}, ProbeSpec(Filter(comm="é" * 7 + "x"))),
        ({"filter": {"only_failures": True}}, ProbeSpec(Filter(only_failures=True))),
        ({"duration_s": 86400}, ProbeSpec(duration_s=86400.0)),
        ({"duration_s": 0.5}, ProbeSpec(duration_s=0.5)),
        ({"restart": True}, ProbeSpec(restart=True)),
    ],
)
def test_a_good_spec_reaches_the_manager(
    client: FlaskClient, manager: FakeManager, body: Any, spec: ProbeSpec
) -> None:
    assert client.post("/probes/fexit", json=body).status_code == 201
    assert manager.specs == {"fexit": replace(spec, mode="fexit")}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"filter": {"pid": "5"}}, "filter.pid"),
        ({"filter": {"pid": True}}, "filter.pid"),
        ({"filter": {"pid": 5.0}}, "filter.pid"),
        ({"filter": {"pid": 0}}, "filter.pid"),
        ({"filter": {"pid": 4194305}}, "filter.pid"),
        ({"filter": {"uid": -1}}, "filter.uid"),
        ({"filter": {"uid": 2**32 - 1}}, "filter.uid"),
        ({"filter": {"comm": ""}}, "filter.comm"),
        ({"filter": {"comm": "x" * 16}}, "filter.comm"),
        ({"filter": {"comm": "é" * 8}}, "filter.comm"),
        ({"filter": {"comm": "a\0b"}}, "filter.comm"),
        ({"filter": {"comm": "\ud800"}}, "filter.comm"),
        ({"filter": {"comm": 5}}, "filter.comm"),
        ({"filter": {"only_failures": 1}}, "filter.only_failures"),
        ({"filter": {"only_failures": "true"}}, "filter.only_failures"),
        ({"filter": {"name": "x"}}, "filter.name"),
        ({"filter": []}, "filter"),
        ({"filter": "pid"}, "filter"),
        ({"function": "x"}, "function"),
        ({"duration_s": 0}, "duration_s"),
        ({"duration_s": -1}, "duration_s"),
        ({"duration_s": 86400.5}, "duration_s"),
        ({"duration_s": "5"}, "duration_s"),
        ({"restart": 1}, "restart"),
        ({"restart": None}, "restart"),
        ({"duration_s": True}, "duration_s"),
        ({"duration_s": 10**400}, "duration_s"),
        ([], ""),
        ("text", ""),
    ],
)
def test_a_bad_spec_is_refused_by_name(
    client: FlaskClient, manager: FakeManager, body: Any, field: str
) -> None:
    answer = client.post("/probes/fexit", json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert [fault["field"] for fault in answer.json["errors"]] == [field]
    assert manager.specs == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"filter": {"pid": "5"}}, "Must be a whole number from 1 to 4194304."),
        ({"filter": {"uid": -1}}, "Must be a whole number from 0 to 4294967294."),
        ({"duration_s": 0}, "Must be a number above 0, at most 86400."),
        ({"duration_s": True}, "Must be a number above 0, at most 86400."),
        ({"restart": 1}, "Must be true or false."),
        ({"filter": {"comn": "x"}}, "Unknown field. Did you mean comm? Known: "),
        ({"fliter": {}}, "Unknown field. Did you mean filter? Known: filter, duration_s, "),
    ],
)
def test_a_refusal_says_what_would_be_taken(client: FlaskClient, body: Any, message: str) -> None:
    (fault,) = client.post("/probes/fexit", json=body).json["errors"]
    assert fault["message"].startswith(message)


@pytest.mark.parametrize("text", ['{"duration_s": 1e999}', "null", "5"])
def test_valid_json_that_is_no_spec(client: FlaskClient, text: str) -> None:
    answer = client.post("/probes/fexit", data=text, content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ({"filter": None}, None),
        ({"filter": {}}, {}),
        ({"filter": {"pid": None}}, {"pid": None}),
        ({"filter": {"pid": 5, "only_failures": None}}, {"pid": 5, "only_failures": None}),
    ],
)
def test_a_change_tells_absent_from_null(
    client: FlaskClient, manager: FakeManager, body: Any, changes: Any
) -> None:
    client.post("/probes/fexit", json={"filter": {"uid": 7, "pid": 9}})
    assert client.patch("/probes/fexit", json=body).status_code == 200
    assert manager.calls == [("change", "fexit", {"filter": changes})]


@pytest.mark.parametrize("body", [{}, {"duration_s": 5}, {"filter": {"pid": "5"}}])
def test_a_bad_change_is_refused(client: FlaskClient, manager: FakeManager, body: Any) -> None:
    client.post("/probes/fexit")
    assert client.patch("/probes/fexit", json=body).status_code == 422
    assert manager.calls == []


def test_a_change_needs_a_body(client: FlaskClient) -> None:
    client.post("/probes/fexit")
    assert client.patch("/probes/fexit").status_code == 422


def test_stop(client: FlaskClient, manager: FakeManager) -> None:
    client.post("/probes/fexit")
    stopped = client.delete("/probes/fexit")
    assert (stopped.status_code, stopped.json["state"]) == (200, "stopped")
    again = client.delete("/probes/fexit")
    assert (again.status_code, again.json["code"]) == (404, "not_running")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_probe(client: FlaskClient, method: str) -> None:
    answer = client.open("/probes/nonesuch", method=method)
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_probe")


def test_all_probes_as_documented(client: FlaskClient) -> None:
    answer = client.get("/probes")
    assert answer.status_code == 200
    # The schema of the OpenAPI document, turned around: no member more, none less.
    assert ProbesSchema(unknown="raise").validate(answer.json) == {}


def test_availability_is_asked_again(client: FlaskClient, manager: FakeManager) -> None:
    answer = client.post("/availability")
    assert (answer.status_code, "probes" in answer.json) == (200, True)
    assert manager.calls == [("check_availability",)]
    assert client.get("/availability").status_code == 405
