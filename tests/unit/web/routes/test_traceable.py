# SPDX-License-Identifier: Apache-2.0
"""Searching what can be traced, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.web.api.function_schemas import FunctionSchema, FunctionsSchema
from tests.support.web_fakes import FakeManager


def names(answer: Any) -> list[str]:
    return [each["name"] for each in answer.json["functions"]]


def test_search(client: FlaskClient) -> None:
    answer = client.get("/functions", query_string={"q": "takes:file vfs_", "limit": 2})
    assert answer.status_code == 200
    assert names(answer) == ["vfs_read", "vfs_readv"]
    assert (answer.json["total"], answer.json["more"]) == (3, True)
    assert FunctionsSchema(unknown="raise").validate(answer.json) == {}
    everything = client.get("/functions", query_string={"q": "takes:file vfs_"})
    assert (everything.json["total"], everything.json["more"]) == (3, False)


def test_kind(client: FlaskClient) -> None:
    assert names(client.get("/functions?q=openat&kind=syscall")) == ["openat"]


def test_without_a_query_everything_is_counted(client: FlaskClient, manager: FakeManager) -> None:
    answer = client.get("/functions?limit=1")
    assert answer.json["total"] == len(manager.functions.current())
    assert len(names(answer)) == 1


def test_one(client: FlaskClient) -> None:
    answer = client.get("/functions/varargs")
    assert answer.status_code == 200
    assert FunctionSchema(unknown="raise").validate(answer.json) == {}
    assert answer.json["signature"] == "int varargs(char *fmt, ...)"
    assert answer.json["modes"]["fentry"]["code"] == "varargs"
    assert answer.json["modes"]["kprobe"]["available"] is True
    assert "/proc/kallsyms: found" in answer.json["looked_at"]


@pytest.mark.parametrize(
    ("path", "kind", "module"),
    [
        ("/functions/openat", "syscall", None),
        ("/functions/sched_switch", "tracepoint", None),
        ("/functions/tcp:same_name", "tracepoint", None),
        ("/functions/cut_down.isra.0", "function", None),
        ("/functions/shared_name", "function", None),
        ("/functions/shared_name?module=xfs", "function", "xfs"),
        ("/functions/shared_name?module=vmlinux&kind=function", "function", None),
    ],
)
def test_which_of_several(client: FlaskClient, path: str, kind: str, module: str | None) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert (answer.json["kind"], answer.json["module"]) == (kind, module)


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/functions/vfs_raed", "vfs_read"),
        ("/functions/openat?kind=function", "__do_sys_openat"),
        ("/functions/shared_name?module=ext4", "shared_name"),
    ],
)
def test_unknown(client: FlaskClient, path: str, near: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_function")
    assert near in answer.json["near"]
    assert near in answer.json["detail"]


def test_a_name_that_no_function_can_have(client: FlaskClient) -> None:
    answer = client.get("/functions/" + "x" * 2000)
    assert answer.status_code == 404
    assert len(answer.json["detail"]) < 500


@pytest.mark.parametrize(
    ("query", "field", "text"),
    [
        ("q=take:file", "q", "takes:file"),
        ("q=takes:fil", "q", "takes:file"),
        ("q=a%2Fb", "q", "Not a part of a name"),
        ("kind=macro", "kind", "function, syscall, tracepoint"),
        ("limit=0", "limit", "1 to 1000"),
        ("limit=1001", "limit", "1 to 1000"),
        ("name=vfs_read", "name", "Known: q, kind, limit"),
    ],
)
def test_faults(client: FlaskClient, query: str, field: str, text: str) -> None:
    answer = client.get(f"/functions?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    (fault,) = answer.json["errors"]
    assert fault["field"] == field
    assert text in fault["message"]


def test_not_ready(client: FlaskClient, manager: FakeManager) -> None:
    manager.functions.is_ready = False
    for path in ("/functions", "/functions/vfs_read"):
        answer = client.get(path)
        assert (answer.status_code, answer.json["code"]) == (503, "functions_not_ready")
        assert answer.headers["Retry-After"] == "1"


def test_what_is_not_found_while_modules_change_may_come(
    client: FlaskClient, manager: FakeManager
) -> None:
    manager.functions.is_made_again = True
    assert client.get("/functions/vfs_read").status_code == 200
    assert client.get("/functions?q=module:xfs").status_code == 200
    for path in ("/functions?q=module:veth", "/functions/veth_xmit"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
