# SPDX-License-Identifier: Apache-2.0
"""GET /functions/NAME/fields."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.kernel_types import KernelTypes
from app.web.api.responses import LevelSchema
from app.web.context import Service
from tests.support.small_kernel import SmallKernel


@pytest.fixture
def types(flask_app: Flask, service: Service, tmp_path: Path) -> Path:
    """The made-up kernel's BTF, as the service's."""
    path = tmp_path / "vmlinux"
    path.write_bytes(SmallKernel().builder.build())
    settings = replace(service.settings, btf_path=path)
    flask_app.extensions["probedeck"] = replace(
        service, settings=settings, kernel_types=KernelTypes(path)
    )
    return path


def problem(answer: Any) -> tuple[int, str, list[dict[str, Any]]]:
    return answer.status_code, answer.json["code"], answer.json.get("errors", [])


@pytest.mark.usefixtures("types")
def test_the_levels(client: FlaskClient) -> None:
    answer = client.get("/functions/to_file/fields")
    assert answer.status_code == 200
    assert LevelSchema().validate(answer.json) == {}
    assert (answer.json["name"], answer.json["kind"], answer.json["at"]) == (
        *("to_file", "function"),
        "",
    )
    assert [each["expression"] for each in answer.json["fields"]] == ["x", "ret"]
    answer = client.get("/functions/to_file/fields", query_string={"at": "ret->f_path"})
    assert answer.json["type"] == "struct path"
    assert [each["expression"] for each in answer.json["fields"]] == [
        *("ret->f_path.mnt", "ret->f_path.dentry")
    ]


@pytest.mark.usefixtures("types")
def test_faults(client: FlaskClient) -> None:
    answer = client.get("/functions/to_file/fields", query_string={"at": "ret->f_pat"})
    assert problem(answer) == (
        422,
        "invalid",
        [
            {
                "field": "at",
                "message": "`struct file` has no field f_pat; did you mean f_path?",
                "position": 5,
                "near": ["f_path"],
            }
        ],
    )
    assert problem(client.get("/functions/to_fil/fields?kind=function")) == (
        *(404, "unknown_function"),
        [],
    )
    assert problem(client.get("/functions/no:such/fields"))[:2] == (404, "unknown_function")
    assert client.get("/functions/to_file/fields?kind=module").status_code == 422
    assert client.get("/functions/to_file/fields?at=" + "x" * 257).status_code == 422
    assert client.get("/functions/" + "x" * 3000 + "/fields?kind=function").status_code == 404


def test_without_types(client: FlaskClient, types: Path) -> None:
    types.unlink()
    answer = client.get("/functions/to_file/fields")
    assert problem(answer)[:2] == (501, "unavailable")
    assert "No such file" in answer.json["reason"]
