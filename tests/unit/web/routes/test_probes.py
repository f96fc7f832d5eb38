# SPDX-License-Identifier: Apache-2.0
"""The routes of probes: status codes, bodies, and what reaches the manager."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.probes.spec import DEFAULT_TARGET, Filter, ProbeSpec, Target
from app.web.api.requests import SpecSchema
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
    ("functions", "name"),
    [
        ("tcp_*", "tcp_*"),
        (" takes:sock tcp_ , vfs_read", "takes:sock tcp_ , vfs_read"),
        (["tcp_*"], "tcp_*"),
        (["vfs_read", "vfs_write"], "vfs_read, vfs_write"),
    ],
)
def test_several_functions(functions: Any, name: str) -> None:
    assert SpecSchema().load({"functions": functions}).target == Target("functions", name)


@pytest.mark.parametrize(
    "functions", ["", " ", [], ["a", 5], 5, {}, "x" * 1025, ["x" * 600, "x" * 600], "a\nb"]
)
def test_bad_patterns_are_refused(
    client: FlaskClient, manager: FakeManager, functions: Any
) -> None:
    answer = client.post("/probes/many", json={"functions": functions})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert [fault["field"] for fault in answer.json["errors"]] == ["functions"]
    assert manager.specs == {}


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


# --- Targets ---

READS = {"function": "vfs_read"}
READS_SPEC = ProbeSpec(target=Target("function", "vfs_read"), mode="fexit")


@pytest.mark.parametrize(
    ("body", "spec"),
    [
        (READS, ProbeSpec(target=Target("function", "vfs_read"), mode="fexit")),
        ({**READS, "mode": None, "syscall": None, "columns": None, "where": None}, READS_SPEC),
        ({**READS, "mode": "kprobe"}, replace(READS_SPEC, mode="kprobe")),
        ({**READS, "columns": []}, replace(READS_SPEC, columns=())),
        ({**READS, "columns": ["count", " pos "]}, replace(READS_SPEC, columns=("count", "pos"))),
        ({**READS, "where": " count>1 "}, replace(READS_SPEC, where="count>1")),
        ({**READS, "filter": {"uid": 3}}, replace(READS_SPEC, filter=Filter(uid=3))),
        ({**READS, "restart": True}, replace(READS_SPEC, restart=True)),
        ({"syscall": "openat"}, ProbeSpec(target=Target("syscall", "openat"), mode="tracepoint")),
        (
            {"tracepoint": "sched:sched_switch"},
            ProbeSpec(target=Target("tracepoint", "sched:sched_switch"), mode="tracepoint"),
        ),
        (
            {"preset": "reads"},
            ProbeSpec(
                target=Target("preset", "reads"),
                mode="fexit",
                columns=("count", "state"),
                where="count>1",
            ),
        ),
        ({"preset": "deletions"}, ProbeSpec(target=DEFAULT_TARGET, mode="fexit")),
    ],
)
def test_a_target_reaches_the_manager(
    client: FlaskClient, manager: FakeManager, body: Any, spec: ProbeSpec
) -> None:
    answer = client.post("/probes/mine", json=body)
    assert (answer.status_code, answer.headers["Location"]) == (201, "/probes/mine")
    assert manager.specs == {"mine": spec}
    assert client.post("/probes/mine", json=body).status_code == 200
    assert client.get("/probes/mine").json["id"] == "mine"
    assert "mine" in [probe["id"] for probe in client.get("/probes").json["probes"]]
    assert ProbesSchema(unknown="raise").validate(client.get("/probes").json) == {}
    assert client.delete("/probes/mine").json["state"] == "stopped"
    assert client.get("/probes/mine").status_code == 404


@pytest.mark.parametrize(
    ("name", "body", "fields"),
    [
        ("mine", {"function": "vfs_read", "syscall": "openat"}, ["function", "syscall"]),
        ("mine", {"function": "vfs_raed"}, ["function"]),
        ("mine", {"fucntion": "vfs_read"}, ["fucntion"]),
        ("mine", {"function": ""}, ["function"]),
        ("mine", {"function": 5}, ["function"]),
        ("mine", {"function": ["vfs_read"]}, ["function"]),
        ("mine", {"function": "../vfs_read"}, ["function"]),
        ("mine", {"function": "vfs_read\0"}, ["function"]),
        ("mine", {"function": "vfs_read\n"}, ["function"]),
        ("mine", {"function": "vfs_rea\u0501"}, ["function"]),
        ("mine", {"function": "x" * 512}, ["function"]),
        ("mine", {"syscall": "openat; rm"}, ["syscall"]),
        ("mine", {"tracepoint": "sched/sched_switch"}, ["tracepoint"]),
        ("mine", {"preset": "nonesuch"}, ["preset"]),
        ("mine", {**READS, "mode": "fexti"}, ["mode"]),
        ("mine", {**READS, "mode": "tracepoint"}, ["mode"]),
        ("mine", {"syscall": "openat", "mode": "fexit"}, ["mode"]),
        ("mine", {**READS, "columns": "count"}, ["columns"]),
        ("mine", {**READS, "columns": ["count"] * 33}, ["columns"]),
        ("mine", {**READS, "columns": ["count", 5]}, ["columns.1"]),
        ("mine", {**READS, "columns": ["count", None]}, ["columns.1"]),
        ("mine", {**READS, "columns": [["count"]]}, ["columns.0"]),
        ("mine", {**READS, "columns": ["x" * 257]}, ["columns.0"]),
        ("mine", {**READS, "columns": ["a\0b"]}, ["columns.0"]),
        ("mine", {**READS, "columns": ["a->"]}, ["columns.0"]),
        ("mine", {**READS, "where": ""}, ["where"]),
        ("mine", {**READS, "where": "x" * 4097}, ["where"]),
        ("mine", {**READS, "where": "a\0"}, ["where"]),
        ("mine", {**READS, "where": {"a": 1}}, ["where"]),
        ("mine", {**READS, "where": "!"}, ["where"]),
        ("mine", {"preset": "deletions", "where": "!"}, ["where"]),
        ("fexit", {"columns": ["dfd"], "where": "!"}, ["where"]),
        ("fexit", {"mode": "kprobe"}, ["mode"]),
        ("fexit", {**READS, "mode": "fentry"}, ["mode"]),
        ("fexit", {"syscall": "openat"}, ["mode"]),
        ("..", READS, ["id"]),
        (".", READS, ["id"]),
        ("Mine", READS, ["id"]),
        ("a b", READS, ["id"]),
        ("a%00", READS, ["id"]),
        ("a%0A", READS, ["id"]),
        ("m%C3%AFne", READS, ["id"]),
        ("%D0%B0", READS, ["id"]),
        ("x" * 33, READS, ["id"]),
    ],
)
def test_a_bad_target_is_refused_by_name(
    client: FlaskClient, manager: FakeManager, name: str, body: Any, fields: list[str]
) -> None:
    answer = client.post(f"/probes/{name}", json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert [fault["field"] for fault in answer.json["errors"]] == fields
    assert answer.json["detail"]
    assert manager.specs == {}


@pytest.mark.parametrize("path", ["fentry/../x", "fentry%2F..%2Fx", "a/b", "", "/x"])
def test_a_path_that_is_no_name(client: FlaskClient, manager: FakeManager, path: str) -> None:
    answer = client.post(f"/probes/{path}", json=READS)
    assert answer.status_code in (404, 405)
    assert manager.specs == {}


def test_near_misses_are_named(client: FlaskClient) -> None:
    (fault,) = client.post("/probes/mine", json={**READS, "mode": "fexti"}).json["errors"]
    assert fault["message"].startswith("Unknown. Did you mean fexit? Known: fentry, ")
    (fault,) = client.post("/probes/mine", json={"function": "vfs_raed"}).json["errors"]
    assert "vfs_read" in fault["message"]


def test_a_name_without_a_target_is_unknown(client: FlaskClient) -> None:
    answer = client.post("/probes/mine", json={"duration_s": 5})
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_probe")


def test_a_mode_with_a_target(client: FlaskClient) -> None:
    started = client.post("/probes/fexit", json={**READS, "mode": "fexit"})
    assert (started.status_code, started.json["target"]) == (
        201,
        {"kind": "function", "name": "vfs_read"},
    )
    other = client.post("/probes/fexit")
    assert (other.status_code, other.json["running"]["target"]["name"]) == (409, "vfs_read")


def test_where_is_changed(client: FlaskClient, manager: FakeManager) -> None:
    client.post("/probes/mine", json=READS)
    for body in ({"where": "count>1"}, {"where": None}, {"columns": ["count"]}):
        assert client.patch("/probes/mine", json=body).status_code == 200
        assert manager.calls[-1] == ("change", "mine", body)
    for bad in ({"where": "x" * 4097}, {"where": ""}, {"columns": "count"}, {"function": "f"}):
        assert client.patch("/probes/mine", json=bad).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"columns": [1] * 5000},
        {"columns": [[]] * 4000},
        {str(number): 0 for number in range(1500)},
        {"filter": {str(number): 0 for number in range(1500)}},
    ],
)
def test_the_answer_to_many_faults_is_short(client: FlaskClient, body: Any) -> None:
    answer = client.post("/probes/mine", json={**READS, **body})
    assert answer.status_code == 422
    assert 1 <= len(answer.json["errors"]) <= 64
    assert len(answer.data) < 64 << 10


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('{"where": "' + "x" * 10_000_000 + '"}', 413),
        ('{"columns": ' + "[" * 8000 + "]" * 8000 + "}", 422),
        ('{"where": ' + '{"a":' * 2500 + "1" + "}" * 2500 + "}", 422),
    ],
)
def test_bodies_of_attackers(
    client: FlaskClient, manager: FakeManager, text: str, status: int
) -> None:
    answer = client.post("/probes/mine", data=text, content_type="application/json")
    assert answer.status_code in (status, 400)
    assert (answer.status_code == 413) == (status == 413)
    assert manager.specs == {}


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/availability"), ("DELETE", "/probes/fexit")]
)
def test_members_that_a_route_would_ignore_are_refused(
    client: FlaskClient, manager: FakeManager, method: str, path: str
) -> None:
    client.post("/probes/fexit")
    answer = client.open(path, method=method, json={"x": 1})
    assert (answer.status_code, answer.json["errors"]) == (
        422,
        [{"field": "x", "message": "Unknown field. There are none."}],
    )
    assert client.open(path, method=method, json=[]).status_code == 422
    assert ("check_availability",) not in manager.calls
    assert "fexit" in manager.specs
    assert client.open(path, method=method, json={}).status_code == 200
